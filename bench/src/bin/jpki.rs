//! Verifications of card signatures on one core: `jpki [SECONDS]`.
//!
//! One verification is what a sign-in costs: read and check the certificate, the CA's signature on it, the card's signature on the
//! challenge; then the same with the look-up in a list of a million revoked certificates. The peer is ring's bare
//! arithmetic: the same two RSA-2048 signatures, nothing read and nothing checked.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kenroku_jpki::{
    Anchors, Auth, AuthAnchors, Challenge, Crl, CrlFiles, Mode, Pin, Profile, SpentChallenge, ToBeSigned,
};
use kenroku_sim_card::keys::Hash;
use kenroku_sim_card::pki::{List, ORGANISATION};
use kenroku_sim_card::{Pki, Purpose, Resident};
use kenroku_types::{Clock, Timestamp};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

/// 2026-01-14T09:30 in Japan.
const NOW: Timestamp = Timestamp::from_secs(1_768_350_600);
const REVOKED: u32 = 1_000_000;

/// What a sign-in brings.
struct Sample {
    certificate: Vec<u8>,
    signature: Vec<u8>,
    /// For the peer: key (PKCS #1), message, signature of the CA and of the card.
    raw: [(Vec<u8>, Vec<u8>, Vec<u8>); 2],
}

/// One way to check a sample.
type Check<'a> = &'a mut dyn FnMut(&Sample) -> Result<()>;

fn main() -> Result<()> {
    let seconds: u64 = match std::env::args().nth(1) {
        Some(n) => n.parse().context("usage: jpki [SECONDS]")?,
        None => 10,
    };
    let limit = Duration::from_secs(seconds);
    let pki = Pki::shipped()?;
    let pins: Vec<Pin> = pki.auth.iter().map(|c| Pin::of(&c.certificate)).collect();
    let anchors: AuthAnchors = Anchors::load(
        Profile::test(ORGANISATION)?,
        pki.auth.iter().map(|c| c.certificate.as_slice()),
        &pins,
    )?;
    let text = ToBeSigned::new("sign-in", "https://id.pref.example", "s-1", &[7; 32], "サインインします。")?;
    let spent = Challenge::new(text.clone(), NOW).spend(1, NOW)?;
    let samples = samples(&pki, &text)?;
    let clock = Clock::system();

    let began = clock.monotonic();
    let lists = lists(&pki, &anchors)?;
    println!("list of {REVOKED} per CA made and read in {:.1} s", (clock.monotonic() - began).as_secs_f64());

    // In turns, so that whatever else the machine does meets all three alike.
    let mut spent_on = [Duration::ZERO; 3];
    let mut rounds = 0u32;
    while spent_on.iter().sum::<Duration>() < limit {
        let mut works: [Check<'_>; 3] =
            [&mut raw, &mut |s| verify(&anchors, &spent, s), &mut |s| check(&anchors, &spent, &lists, s)];
        for (work, sum) in works.iter_mut().zip(&mut spent_on) {
            let began = clock.monotonic();
            for s in &samples {
                work(s)?;
            }
            *sum += clock.monotonic() - began;
        }
        rounds += 1;
    }
    let each = spent_on.map(|t| t.as_secs_f64() / f64::from(rounds) / samples.len() as f64);
    let names =
        ["ring alone: two RSA-2048 verifications", "certificate and signature", "the same, and the list"];
    for (name, t) in names.into_iter().zip(each) {
        println!("{name:44}{:>10.0}/s {:>8.1} µs {:>6.2} × ring", 1.0 / t, t * 1e6, t / each[0]);
    }
    Ok(())
}

fn samples(pki: &Pki, text: &ToBeSigned) -> Result<Vec<Sample>> {
    let living = Resident::all().filter(|r| r.generation > 1).step_by(9);
    living
        .map(|r| {
            let own = r.credential(pki, Purpose::Auth)?;
            let ca = pki.ca(Purpose::Auth, r.generation);
            let signature = own.key.sign(Hash::Sha256, text.as_bytes())?;
            // The peer needs any message of the same length; what a CA signs is most of its certificate.
            let message = own.certificate.clone();
            let by_ca = ca.key.sign(Hash::Sha256, &message)?;
            let raw = [
                (pkcs1(ca.key.info())?, message, by_ca),
                (pkcs1(own.key.info())?, text.as_bytes().to_vec(), signature.clone()),
            ];
            Ok(Sample { certificate: own.certificate, signature, raw })
        })
        .collect()
}

/// RSAPublicKey at the end of a SubjectPublicKeyInfo: 270 bytes for RSA-2048 and exponent 65537.
fn pkcs1(info: &[u8]) -> Result<Vec<u8>> {
    let at = info.len().checked_sub(270).context("an RSA-2048 key")?;
    Ok(info[at..].to_vec())
}

fn lists(pki: &Pki, anchors: &AuthAnchors) -> Result<CrlFiles> {
    let list = List {
        this_update: NOW,
        next_update: Some(NOW.plus(Duration::from_secs(86_400))),
        number: vec![1],
        // None of the simulated residents' numbers begins so.
        revoked: (0..REVOKED).map(|n| ((0x7000_0000 + n).to_be_bytes().to_vec(), NOW, None)).collect(),
        extensions: Vec::new(),
    };
    let lists = pki.auth[1..].iter().map(|ca| Ok(Crl::load(&ca.list(&list)?, anchors)?));
    Ok(CrlFiles::new(lists.collect::<Result<_>>()?, Duration::from_secs(86_400), "bench"))
}

fn raw(s: &Sample) -> Result<()> {
    for (key, message, signature) in &s.raw {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        if key.verify(message, signature).is_err() {
            bail!("the peer refuses an honest signature");
        }
    }
    Ok(())
}

fn verify(anchors: &AuthAnchors, spent: &SpentChallenge, s: &Sample) -> Result<()> {
    let _ = anchors.verify(&s.certificate, spent, &s.signature, NOW)?;
    Ok(())
}

fn check(anchors: &Anchors<Auth>, spent: &SpentChallenge, lists: &CrlFiles, s: &Sample) -> Result<()> {
    let verified = anchors.verify(&s.certificate, spent, &s.signature, NOW)?;
    let checked = pin!(verified.check_validity(lists, Mode::Strict, NOW));
    match checked.poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(done) => done.map(drop).map_err(Into::into),
        Poll::Pending => bail!("a list in memory does not wait"),
    }
}
