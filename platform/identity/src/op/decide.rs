//! What happens next with an authorization request: a pure decision (Core §3.1.2.3–4, RFC 9470 §5).

use kenroku_access::Assurance;
use kenroku_oidc::authorize::AuthorizationRequest;
use kenroku_oidc::{Code, OAuthError};
use kenroku_types::Timestamp;

use super::provider::assurance;
use crate::session::Session;

/// What happens next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// The person signs in, at least so surely; `fresh` even though somebody is signed in.
    SignIn {
        /// At least.
        need: Assurance,
        /// Again.
        fresh: bool,
    },
    /// The person is asked.
    Ask,
    /// The client gets its code.
    Issue,
    /// The client gets an error.
    Fail(OAuthError),
}

/// What is known besides the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Who is signed in with this browser.
    pub session: Option<&'a Session>,
    /// When the request came.
    pub asked_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether `id_token_hint` names this person; `None` without a hint.
    pub hint_fits: Option<bool>,
    /// Whether the person has agreed to all of it before, or need not be asked.
    pub agreed: bool,
    /// Whether the person agreed in this very interaction.
    pub just_agreed: bool,
    /// Whether they may act for somebody else here, and so say for whom this is.
    pub choose: bool,
}

/// The weakest sign-in that satisfies the request: assurances are a ladder, so any stronger one does too.
fn needed(request: &AuthorizationRequest) -> Option<Assurance> {
    request.acr_values.iter().filter_map(|v| assurance(v)).min()
}

/// Decides.
pub(super) fn decide(request: &AuthorizationRequest, facts: &Facts<'_>) -> Next {
    let need = needed(request);
    if request.acr_essential && need.is_none() {
        return Next::Fail(OAuthError::new(
            Code::UnmetAuthenticationRequirements,
            "none of the demanded acr values can be had here",
        ));
    }
    let need = need.unwrap_or(Assurance::None);
    let fail = |code, why| Next::Fail(OAuthError::new(code, why));
    let sign_in = |fresh| {
        if request.prompt.none {
            return fail(Code::LoginRequired, "nobody is signed in as the request demands");
        }
        Next::SignIn { need, fresh }
    };
    let Some(session) = facts.session else { return sign_in(false) };
    // A sign-in that this request caused is always young enough.
    let at = session.sign_in.at;
    let caused = at >= facts.asked_at;
    let too_old = request.max_age.is_some_and(|most| facts.now.since(at) > i64::from(most) * 1_000_000);
    let anew = request.prompt.login || request.prompt.select_account || request.max_age == Some(0) || too_old;
    if anew && !caused {
        return sign_in(true);
    }
    if session.sign_in.assurance < need {
        return sign_in(true);
    }
    if facts.hint_fits == Some(false) {
        if caused || request.prompt.none {
            return fail(Code::LoginRequired, "somebody else is signed in than id_token_hint names");
        }
        return sign_in(true);
    }
    // Silently (`prompt=none`) people act for themselves.
    let choose = facts.choose && !request.prompt.none;
    let ask = !facts.just_agreed && (!facts.agreed || request.prompt.consent || choose);
    match (ask, request.prompt.none) {
        (false, _) => Next::Issue,
        (true, true) => fail(Code::ConsentRequired, "the person has to agree first"),
        (true, false) => Next::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_access::SignIn;
    use kenroku_oidc::Params;
    use kenroku_oidc::Scopes;
    use kenroku_oidc::authorize::{Policy, check};
    use kenroku_oidc::client::ClientMetadata;
    use kenroku_types::Id;
    use uuid::Uuid;

    const NOW: i64 = 1_768_350_600;

    fn request(extra: &[(&str, &str)]) -> AuthorizationRequest {
        let client: ClientMetadata =
            serde_json::from_value(serde_json::json!({ "redirect_uris": ["https://rp.example/cb"] }))
                .unwrap();
        let base = [
            ("client_id", "rp"),
            ("redirect_uri", "https://rp.example/cb"),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let p = Params::from_iter(base.iter().chain(extra).copied());
        let all = Scopes::parse("openid").unwrap();
        check(
            &p,
            &client,
            &Policy { known_scopes: &all, allowed_scopes: &all, pkce_optional: false, pushed: false },
        )
        .unwrap()
    }

    fn session(assurance: Assurance, ago: i64) -> Session {
        Session {
            sid: Id::from_uuid(Uuid::nil()),
            person: Id::from_uuid(Uuid::nil()),
            sign_in: SignIn { assurance, at: Timestamp::from_secs(NOW - ago) },
            amr: Vec::new(),
        }
    }

    fn next(extra: &[(&str, &str)], session: Option<&Session>, change: impl Fn(&mut Facts<'_>)) -> Next {
        let now = Timestamp::from_secs(NOW);
        let mut facts = Facts {
            session,
            asked_at: now,
            now,
            hint_fits: None,
            agreed: true,
            just_agreed: false,
            choose: false,
        };
        change(&mut facts);
        decide(&request(extra), &facts)
    }

    fn code(n: Next) -> Option<Code> {
        if let Next::Fail(e) = n { Some(e.code) } else { None }
    }

    #[test]
    fn nobody_there() {
        let sign_in = Next::SignIn { need: Assurance::None, fresh: false };
        assert_eq!(next(&[], None, |_| ()), sign_in);
        assert_eq!(code(next(&[("prompt", "none")], None, |_| ())), Some(Code::LoginRequired));
    }

    #[test]
    fn consent_is_asked_once_and_again_on_demand() {
        let s = session(Assurance::Passkey, 60);
        assert_eq!(next(&[], Some(&s), |_| ()), Next::Issue);
        assert_eq!(next(&[], Some(&s), |f| f.agreed = false), Next::Ask);
        assert_eq!(next(&[("prompt", "consent")], Some(&s), |_| ()), Next::Ask);
        assert_eq!(next(&[("prompt", "consent")], Some(&s), |f| f.just_agreed = true), Next::Issue);
        let none = [("prompt", "none")];
        assert_eq!(code(next(&none, Some(&s), |f| f.agreed = false)), Some(Code::ConsentRequired));
        assert_eq!(next(&none, Some(&s), |_| ()), Next::Issue);
    }

    #[test]
    fn whoever_may_act_for_others_says_for_whom() {
        let s = session(Assurance::Passkey, 60);
        assert_eq!(next(&[], Some(&s), |f| f.choose = true), Next::Ask);
        let silent = [("prompt", "none")];
        assert_eq!(next(&silent, Some(&s), |f| f.choose = true), Next::Issue, "for themselves");
        let chosen = next(&[], Some(&s), |f| (f.choose, f.just_agreed) = (true, true));
        assert_eq!(chosen, Next::Issue);
    }

    #[test]
    fn the_age_of_the_sign_in() {
        let s = session(Assurance::Passkey, 60);
        let again = Next::SignIn { need: Assurance::None, fresh: true };
        for old in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "0"), ("max_age", "59")] {
            assert_eq!(next(&[old], Some(&s), |_| ()), again, "{old:?}");
            let after = session(Assurance::Passkey, 0);
            assert_eq!(
                next(&[old], Some(&after), |_| ()),
                Next::Issue,
                "{old:?}: the request caused this one"
            );
        }
        assert_eq!(next(&[("max_age", "60")], Some(&s), |_| ()), Next::Issue);
        let silent = [("prompt", "none"), ("max_age", "1")];
        assert_eq!(code(next(&silent, Some(&s), |_| ())), Some(Code::LoginRequired));
    }

    /// RFC 9470 §5
    #[test]
    fn step_up() {
        let passkey = session(Assurance::Passkey, 60);
        let want = [("acr_values", "urn:ishikawa:jpki-auth")];
        assert_eq!(
            next(&want, Some(&passkey), |_| ()),
            Next::SignIn { need: Assurance::JpkiAuth, fresh: true }
        );
        assert_eq!(next(&want, None, |_| ()), Next::SignIn { need: Assurance::JpkiAuth, fresh: false });
        for enough in [Assurance::JpkiAuth, Assurance::JpkiSign] {
            assert_eq!(next(&want, Some(&session(enough, 60)), |_| ()), Next::Issue);
        }
        let either = [("acr_values", "urn:ishikawa:jpki-sign urn:ishikawa:passkey")];
        assert_eq!(next(&either, Some(&passkey), |_| ()), Next::Issue);
        assert_eq!(next(&[("acr_values", "urn:other")], Some(&passkey), |_| ()), Next::Issue, "a wish");
        let demand = [("claims", r#"{"id_token":{"acr":{"essential":true,"values":["urn:other"]}}}"#)];
        assert_eq!(code(next(&demand, Some(&passkey), |_| ())), Some(Code::UnmetAuthenticationRequirements));
    }

    #[test]
    fn the_person_of_the_hint() {
        let s = session(Assurance::Passkey, 60);
        let other = |f: &mut Facts<'_>| f.hint_fits = Some(false);
        assert_eq!(next(&[], Some(&s), |f| f.hint_fits = Some(true)), Next::Issue);
        assert_eq!(next(&[], Some(&s), other), Next::SignIn { need: Assurance::None, fresh: true });
        assert_eq!(code(next(&[("prompt", "none")], Some(&s), other)), Some(Code::LoginRequired));
        assert_eq!(code(next(&[], Some(&session(Assurance::Passkey, 0)), other)), Some(Code::LoginRequired));
    }
}
