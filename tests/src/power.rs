//! Cutting the power: run a process whose writes are durable only once synced, kill it, go on from what the disk
//! would have held. See `powercut.c` for what is and is not simulated.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kenroku_types::Rng;

/// A folder whose unsynced writes can be made to vanish.
#[derive(Debug)]
pub struct PowerCut {
    root: tempfile::TempDir,
    library: PathBuf,
}

impl PowerCut {
    /// Builds the preloaded library (with the system's C compiler) and makes an empty data folder.
    pub fn new() -> Self {
        static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
        let (_, library) = LIBRARY.get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/powercut.c");
            let library = dir.path().join("powercut.so");
            let out = Command::new("cc")
                .args(["-O1", "-shared", "-fPIC", "-o"])
                .arg(&library)
                .arg(source)
                .args(["-ldl", "-lpthread"])
                .output()
                .expect("a C compiler (Debian: build-essential)");
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            (dir, library)
        });
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("data")).unwrap();
        std::fs::create_dir_all(root.path().join("disk")).unwrap();
        PowerCut { root, library: library.clone() }
    }

    /// Where the process under test keeps its data.
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Lets a command run under the library. What is in the data folder now counts as being on the disk.
    pub fn arm(&self, c: &mut Command) {
        let disk = self.root.path().join("disk");
        std::fs::remove_dir_all(&disk).unwrap();
        std::fs::create_dir_all(&disk).unwrap();
        for rel in files(&self.data(), &self.data()) {
            let to = disk.join(&rel);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(self.data().join(&rel), to).unwrap();
        }
        let after = self.root.path().join("after");
        let _ = std::fs::remove_file(&after);
        c.env("LD_PRELOAD", &self.library).env("POWERCUT_DIR", self.data()).env("POWERCUT_SHADOW", disk);
        c.env("POWERCUT_AFTER", after);
    }

    /// Kills an armed process (-9) as soon as it has synced `n` more times: between a commit and its answer.
    pub fn kill_after(&self, n: u32) {
        std::fs::write(self.root.path().join("after"), n.to_string()).unwrap();
    }

    /// After the process was killed: the data folder becomes what the disk held. Of the pages that were written
    /// but never synced, a random part survives, as on a real disk that writes back in its own order.
    pub fn cut(&self, rng: &Rng, survive_percent: u64) {
        let (data, disk) = (self.data(), self.root.path().join("disk"));
        for rel in files(&data, &data) {
            if rel.to_string_lossy().ends_with("-shm") {
                std::fs::remove_file(data.join(&rel)).unwrap();
                continue;
            }
            let (written, durable) = (data.join(&rel), disk.join(&rel));
            let new = std::fs::read(&written).unwrap();
            let old = std::fs::read(&durable).unwrap_or_default();
            let mut after = old.clone();
            for (i, page) in new.chunks(4096).enumerate() {
                let (from, to) = (i * 4096, i * 4096 + page.len());
                if old.get(from..to) == Some(page) || rng.below(100) >= survive_percent {
                    continue;
                }
                if after.len() < to {
                    after.resize(to, 0);
                }
                after[from..to].copy_from_slice(page);
            }
            std::fs::write(&written, &after).unwrap();
        }
    }
}

impl Default for PowerCut {
    fn default() -> Self {
        Self::new()
    }
}

fn files(root: &Path, dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for e in std::fs::read_dir(dir).unwrap() {
        let path = e.unwrap().path();
        if path.is_dir() {
            out.extend(files(root, &path));
        } else if path.is_file() {
            out.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    out
}
