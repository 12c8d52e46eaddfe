use super::device::Device;
use super::*;
use kenroku_types::Rng;
use proptest::prelude::*;
use serde_json::Value;

const ORIGIN: &str = "https://portal.example.jp";

fn site() -> Site {
    Site::of_origin(ORIGIN).unwrap()
}

fn parse<T: serde::de::DeserializeOwned>(v: &Value) -> T {
    serde_json::from_value(v.clone()).unwrap()
}

fn registered() -> (Device, NewPasskey) {
    let mut device = Device::new(&Rng::seeded(4), ORIGIN);
    let answer = device.create(&creation_options(&site(), b"first", b"me", "いしかわID", &[]));
    let made = verify_created(&site(), b"first", &parse(&answer)).unwrap();
    (device, made)
}

#[test]
fn a_passkey_is_made_and_used() {
    let (mut device, made) = registered();
    assert_eq!((made.id.clone(), made.counter, made.backed_up), (device.id.clone(), 0, false));
    let answer: Got = parse(&device.get(&request_options(&site(), b"second")));
    let used = verify_got(&site(), b"second", &answer, b"me", &made.cose, made.counter);
    assert_eq!(used, Ok(Used { counter: 1 }));
}

#[test]
fn each_wrong_answer_is_refused_for_its_reason() {
    let (mut device, made) = registered();
    let check = |answer: &Value, challenge: &[u8], owner: &[u8], counter| {
        verify_got(&site(), challenge, &parse(answer), owner, &made.cose, counter).map(|_| ())
    };
    let good = device.get(&request_options(&site(), b"c"));
    assert_eq!(check(&good, b"c", b"me", 0), Ok(()), "the honest answer");
    assert_eq!(check(&good, b"d", b"me", 0), Err(Refused::Challenge));
    assert_eq!(check(&good, b"c", b"you", 0), Err(Refused::UserHandle));
    assert_eq!(check(&good, b"c", b"me", 1), Err(Refused::Counter), "a copy, or a replay");

    let mut bent = good.clone();
    bent["response"]["signature"] = Value::from(URL_SAFE_NO_PAD.encode([7; 64]));
    assert_eq!(check(&bent, b"c", b"me", 0), Err(Refused::Signature));
    let mut other = good.clone();
    other["response"]["userHandle"] = Value::Null;
    assert_eq!(check(&other, b"c", b"me", 0), Err(Refused::UserHandle));

    device.origin = "https://portal.example.jp.evil.example".to_owned();
    let answer = device.get(&request_options(&site(), b"c"));
    assert_eq!(check(&answer, b"c", b"me", 0), Err(Refused::Origin));
    device.origin = ORIGIN.to_owned();
    let elsewhere = Site { rp_id: "evil.example".to_owned(), ..site() };
    let answer = device.get(&request_options(&elsewhere, b"c"));
    assert_eq!(check(&answer, b"c", b"me", 0), Err(Refused::RpId));
    device.verifies_user = false;
    let answer = device.get(&request_options(&site(), b"c"));
    assert_eq!(check(&answer, b"c", b"me", 0), Err(Refused::User));

    device.verifies_user = true;
    let created: Created = parse(&device.create(&creation_options(&site(), b"c", b"me", "x", &[])));
    assert!(verify_created(&site(), b"c", &created).is_ok());
    assert_eq!(verify_created(&site(), b"x", &created), Err(Refused::Challenge));
    let mut swapped = created.clone();
    swapped.raw_id = Bytes(b"another".to_vec());
    assert_eq!(verify_created(&site(), b"c", &swapped), Err(Refused::Malformed));
    let assertion = device.get(&request_options(&site(), b"c"));
    let mut as_creation = created;
    as_creation.response.client_data = parse(&assertion["response"]["clientDataJSON"]);
    assert_eq!(verify_created(&site(), b"c", &as_creation), Err(Refused::ClientData), "another ceremony");
}

#[test]
fn only_https_and_localhost_have_passkeys() {
    assert_eq!(site().rp_id, "portal.example.jp");
    let local = Site::of_origin("http://localhost:8080").unwrap();
    assert_eq!((local.rp_id.as_str(), local.origin.as_str()), ("localhost", "http://localhost:8080"));
    for bad in
        ["http://portal.example.jp", "https://", "https://192.0.2.1", "https://[::1]:80", "ftp://x", ""]
    {
        assert_eq!(Site::of_origin(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_damage_is_refused_without_panic(at in 0usize..400, bit in 0u8..8) {
        let (mut device, made) = registered();
        let answer: Got = parse(&device.get(&request_options(&site(), b"c")));
        let damage = |b: &Bytes| {
            let mut b = b.clone();
            let n = at % b.0.len();
            b.0[n] ^= 1 << bit;
            b
        };
        let check = |a: &Got| verify_got(&site(), b"c", a, b"me", &made.cose, 0);
        prop_assert!(check(&answer).is_ok());
        let mut a = answer.clone();
        a.response.authenticator_data = damage(&a.response.authenticator_data);
        prop_assert!(check(&a).is_err());
        let mut a = answer.clone();
        a.response.signature = damage(&a.response.signature);
        prop_assert!(check(&a).is_err());
        let mut a = answer;
        a.response.client_data = damage(&a.response.client_data);
        prop_assert!(check(&a).is_err());
    }

    #[test]
    fn any_bytes_as_an_answer_are_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let response = CreatedResponse {
            client_data: Bytes(br#"{"type":"webauthn.create","challenge":"Yw","origin":"https://portal.example.jp"}"#.to_vec()),
            attestation_object: Bytes(data),
        };
        let answer = Created { raw_id: Bytes(vec![1]), kind: "public-key".to_owned(), response };
        prop_assert!(verify_created(&site(), b"c", &answer).is_err());
    }
}
