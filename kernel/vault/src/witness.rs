//! [`Witness`]: somebody outside this machine's database who keeps what the log once said.

use std::future::Future;
use std::io::{BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kenroku_types::Tenant;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, MARK, RowMark, SignedCheckpoint};
use crate::error::{Error, Result};
use crate::merkle;

/// What a witness returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A checkpoint and the marks of the rows that it added: 8 bytes of each row's hash, which say nothing of the row
/// and are enough to find the one that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// The checkpoint.
    pub signed: SignedCheckpoint,
    /// One mark per row since the checkpoint before.
    pub marks: Vec<RowMark>,
}

impl Testimony {
    /// Whether it is signed and its marks are those that were signed.
    pub fn verify(&self) -> bool {
        self.signed.verify() && merkle::sha256(self.marks.as_flattened()) == self.signed.checkpoint.rows
    }
}

/// Testimonies in the order they were given, and where to read on.
#[derive(Clone, Debug, Default)]
pub struct TestimonyPage {
    /// In the order they were given.
    pub testimonies: Vec<Testimony>,
    /// To be passed to the next call; `None` at the end.
    pub next: Option<u64>,
}

/// Keeps checkpoints where whoever administers the database cannot change them: a file on a write-once share,
/// another municipality's server, a mailbox. More than one may be asked.
pub trait Witness: Send + Sync {
    /// Takes a testimony, durably. The same one again is confirmed again; one that does not follow the last is
    /// refused.
    fn publish<'a>(&'a self, t: &'a Testimony) -> Answer<'a, ()>;

    /// Of whom there are testimonies.
    fn tenants(&self) -> Answer<'_, Vec<Tenant>>;

    /// Testimonies of a tenant, from the first (`from` 0) or from where a page ended.
    fn testimonies(&self, tenant: Tenant, from: u64) -> Answer<'_, TestimonyPage>;

    /// The number of the last one; `None` when there is none.
    fn last(&self, tenant: Tenant) -> Answer<'_, Option<u64>>;
}

/// How a testimony stands to the last that a witness holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It is the last: confirmed again.
    Known,
    /// It comes next.
    Next,
}

/// Whether a testimony may be taken after the last.
pub(crate) fn follows(last: Option<&Testimony>, t: &Testimony) -> Result<Follows> {
    let c = &t.signed.checkpoint;
    let refuse = |why: &str| Err(Error::Witness(format!("checkpoint {} of {}: {why}", c.number, c.tenant)));
    if !t.verify() {
        return refuse("its signature or its marks are wrong");
    }
    match last {
        Some(last) if last == t => return Ok(Follows::Known),
        Some(last) => {
            let l = &last.signed.checkpoint;
            if c.number != l.number + 1 || c.previous != l.hash() || c.key != l.key || c.size <= l.size {
                return refuse(&format!("it does not follow {}", l.number));
            }
            if t.marks.len() as u64 != c.size - l.size {
                return refuse("it does not bring the marks of all new rows");
            }
        }
        None if c.number == 1 && c.previous == [0; 32] && t.marks.len() as u64 == c.size => {}
        None => return refuse("the first must be number 1"),
    }
    Ok(Follows::Next)
}

/// A witness in a folder: a file per tenant to which one line per checkpoint is appended. The folder must not lie
/// in the data folder; it is meant to be a mount of another machine.
#[derive(Clone, Debug)]
pub struct FileWitness {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Line {
    body: String,
    signature: String,
    rows: String,
}

/// Lines that one page reads.
const PAGE: usize = 64;

impl FileWitness {
    /// Uses (and makes) the folder.
    ///
    /// # Errors
    /// [`Error::Witness`] when it lies in the data folder or cannot be made.
    pub fn new(dir: &Path, data: &Path) -> Result<Self> {
        let io = |e: std::io::Error| Error::Witness(format!("{}: {e}", dir.display()));
        std::fs::create_dir_all(dir).map_err(io)?;
        let dir = dir.canonicalize().map_err(io)?;
        if data.canonicalize().is_ok_and(|d| dir.starts_with(d)) {
            return Err(Error::Witness(format!(
                "{} lies in the data folder; choose a folder on another machine or disk",
                dir.display()
            )));
        }
        Ok(FileWitness { dir })
    }

    fn path(&self, tenant: Tenant) -> PathBuf {
        self.dir.join(format!("{tenant}.jsonl"))
    }

    fn append(&self, t: &Testimony) -> Result<()> {
        let c = &t.signed.checkpoint;
        let path = self.path(c.tenant);
        let io = |e: std::io::Error| Error::Witness(format!("{}: {e}", path.display()));
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io)?;
        let (last, end) = last_line(&mut file).map_err(io)?;
        let last = last.map(|l| parse(&l)).transpose()?;
        if follows(last.as_ref(), t)? == Follows::Known {
            return Ok(());
        }
        let line = Line {
            body: c.body(),
            signature: BASE64.encode(&t.signed.signature),
            rows: BASE64.encode(t.marks.as_flattened()),
        };
        let mut text = serde_json::to_string(&line).map_err(|e| Error::Witness(e.to_string()))?;
        text.push('\n');
        // A line that a crash cut off was never confirmed: it is written over.
        file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(io)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        std::fs::File::open(&self.dir).and_then(|d| d.sync_all()).map_err(io)
    }

    fn page(&self, tenant: Tenant, from: u64) -> Result<TestimonyPage> {
        let path = self.path(tenant);
        let io = |e: std::io::Error| Error::Witness(format!("{}: {e}", path.display()));
        if !path.exists() {
            return Ok(TestimonyPage::default());
        }
        let mut file = std::fs::File::open(&path).map_err(io)?;
        file.seek(SeekFrom::Start(from)).map_err(io)?;
        let mut reader = std::io::BufReader::new(file);
        let (mut page, mut at, mut line) = (TestimonyPage::default(), from, String::new());
        while page.testimonies.len() < PAGE {
            line.clear();
            let n = reader.read_line(&mut line).map_err(io)?;
            if n == 0 || !line.ends_with('\n') {
                return Ok(page);
            }
            at += n as u64;
            page.testimonies.push(parse(line.trim_end())?);
        }
        page.next = Some(at);
        Ok(page)
    }
}

fn parse(line: &str) -> Result<Testimony> {
    let wrong = || Error::Witness("a line of the witness is not a testimony".to_owned());
    let l: Line = serde_json::from_str(line).map_err(|_| wrong())?;
    let rows = BASE64.decode(&l.rows).map_err(|_| wrong())?;
    let (marks, rest) = rows.as_chunks::<MARK>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let checkpoint = Checkpoint::parse(&l.body).ok_or_else(wrong)?;
    let signature = BASE64.decode(&l.signature).map_err(|_| wrong())?;
    Ok(Testimony { signed: SignedCheckpoint { checkpoint, signature }, marks: marks.to_vec() })
}

/// The last whole line, and where the whole lines end.
fn last_line(file: &mut std::fs::File) -> std::io::Result<(Option<String>, u64)> {
    let len = file.metadata()?.len();
    let mut step = 1 << 16;
    loop {
        let from = len.saturating_sub(step);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.take(len - from).read_to_end(&mut tail)?;
        let end = tail.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let whole = tail.get(..end.saturating_sub(1)).unwrap_or_default();
        let start = whole.iter().rposition(|b| *b == b'\n').map(|i| i + 1);
        if start.is_some() || from == 0 {
            let line = (end > 0).then(|| {
                String::from_utf8_lossy(whole.get(start.unwrap_or(0)..).unwrap_or_default()).into_owned()
            });
            return Ok((line, from + end as u64));
        }
        step *= 4;
    }
}

impl Witness for FileWitness {
    fn publish<'a>(&'a self, t: &'a Testimony) -> Answer<'a, ()> {
        Box::pin(async move { self.append(t) })
    }

    fn tenants(&self) -> Answer<'_, Vec<Tenant>> {
        Box::pin(async move {
            let io = |e: std::io::Error| Error::Witness(format!("{}: {e}", self.dir.display()));
            let mut out = Vec::new();
            for f in std::fs::read_dir(&self.dir).map_err(io)? {
                let name = f.map_err(io)?.file_name();
                let tenant: Option<Tenant> =
                    name.to_str().and_then(|n| n.strip_suffix(".jsonl")).and_then(|n| n.parse().ok());
                out.extend(tenant);
            }
            out.sort();
            Ok(out)
        })
    }

    fn testimonies(&self, tenant: Tenant, from: u64) -> Answer<'_, TestimonyPage> {
        Box::pin(async move { self.page(tenant, from) })
    }

    fn last(&self, tenant: Tenant) -> Answer<'_, Option<u64>> {
        Box::pin(async move {
            let path = self.path(tenant);
            let io = |e: std::io::Error| Error::Witness(format!("{}: {e}", path.display()));
            if !path.exists() {
                return Ok(None);
            }
            let (line, _) = last_line(&mut std::fs::File::open(&path).map_err(io)?).map_err(io)?;
            Ok(line.map(|l| parse(&l)).transpose()?.map(|t| t.signed.checkpoint.number))
        })
    }
}
