//! `Json`, `Query`, `Path`, `Form`: as axum's, but what they refuse is told in a problem document that says
//! which field is wrong.
#![expect(clippy::disallowed_types, reason = "this is the one place that wraps axum's extractors")]

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kenroku_types::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// A JSON body, as argument and as answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

/// The query string.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

/// The parameters in the path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

/// A form's body (`application/x-www-form-urlencoded`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;
    async fn from_request(req: Request, state: &S) -> Result<Self, Error> {
        if !is_json(req.headers()) {
            return Err(media_type("application/json").into());
        }
        let body =
            Bytes::from_request(req, state).await.map_err(|_| Problem::bad_request("the body broke off"))?;
        parse_json(&body).map(Json).map_err(Error::from)
    }
}

/// Reads a JSON document; the problem points at the member that is wrong.
///
/// # Errors
/// 400 `json-syntax` when it is not JSON, 422 `json-data` when it is not the expected data.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut de = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut de).map_err(|e| json_problem(e.path(), e.inner()))?;
    de.end().map_err(|e| syntax(&e))?;
    Ok(value)
}

fn syntax(e: &serde_json::Error) -> Problem {
    let place = format!("not JSON at line {}, column {}", e.line(), e.column());
    Problem::new(400, "json-syntax", "The body is not JSON")
        .detail(place)
        .next("Send one JSON document in UTF-8.")
}

fn json_problem(path: &serde_path_to_error::Path, e: &serde_json::Error) -> Problem {
    if !e.is_data() {
        return syntax(e);
    }
    Problem::new(422, "json-data", "The body is JSON, but not what this operation takes")
        .field(pointer(path), "json-data", e.to_string())
        .next("Compare with the operation in /openapi.json and correct the named member.")
}

/// JSON Pointer (RFC 6901) to where reading stopped.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut out, segment| {
        out.push('/');
        match segment {
            Segment::Seq { index } => out.push_str(&index.to_string()),
            Segment::Map { key } => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => out.push_str(variant),
            Segment::Unknown => out.push('?'),
        }
        out
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn media_type(accepted: &str) -> Problem {
    Problem::new(415, "media-type", "This kind of body is not taken here")
        .detail(format!("accepted: {accepted}"))
        .next("Set Content-Type to what the body is, and send an accepted kind.")
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let kind = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, kind)], body).into_response()
            }
            Err(e) => Error::internal(&e).into_response(),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let parsed = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        parsed.map(|q| Query(q.0)).map_err(|e| {
            Problem::new(400, "query", "A query parameter is wrong")
                .detail(innermost(&e))
                .next("Correct the named parameter; the operation in /openapi.json lists them.")
                .into()
        })
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(p) => Ok(Path(p.0)),
            // An address whose parameter cannot name anything names nothing: 404, as for an unknown id.
            Err(PathRejection::FailedToDeserializePathParams(e)) => {
                let mut problem = Problem::not_found();
                problem.cause = e.body_text();
                Err(problem.into())
            }
            Err(e) => Err(Error::internal(&e)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Error;
    async fn from_request(req: Request, state: &S) -> Result<Self, Error> {
        use axum::extract::rejection::FormRejection as R;
        match axum::extract::Form::<T>::from_request(req, state).await {
            Ok(form) => Ok(Form(form.0)),
            Err(R::InvalidFormContentType(_)) => Err(media_type("application/x-www-form-urlencoded").into()),
            Err(R::BytesRejection(_)) => Err(Problem::bad_request("the body broke off").into()),
            Err(e) => Err(Problem::new(422, "form", "A field of the form is wrong")
                .detail(innermost(&e))
                .next("Correct the named field and send the form again.")
                .into()),
        }
    }
}

/// The last error in the chain says which field is meant; those around it only repeat where it happened.
fn innermost(e: &(dyn std::error::Error + 'static)) -> String {
    let mut last = e;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Fix {
        lat: f64,
    }

    #[test]
    fn json_problems_point_at_the_member() {
        assert_eq!(parse_json::<Vec<Fix>>(br#"[{"lat":36.5}]"#).unwrap(), vec![Fix { lat: 36.5 }]);
        let p = parse_json::<Vec<Fix>>(br#"[{"lat":36.5},{"lat":"north"}]"#).unwrap_err();
        assert_eq!((p.status, &*p.errors[0].pointer), (422, "/1/lat"));
        for bad in [&br#"[{"lat":36.5}"#[..], b"", b"[]x", b"\xff"] {
            assert_eq!(parse_json::<Vec<Fix>>(bad).unwrap_err().code, "json-syntax");
        }
    }

    #[tokio::test]
    async fn query_problems_name_the_parameter() {
        let parts = |uri: &str| Request::builder().uri(uri).body(()).unwrap().into_parts().0;
        let good = Query::<Fix>::from_request_parts(&mut parts("/x?lat=1.5"), &()).await.unwrap();
        assert_eq!(good.0, Fix { lat: 1.5 });
        let e = Query::<Fix>::from_request_parts(&mut parts("/x?lat=north"), &()).await.unwrap_err();
        assert_eq!((e.0.status, &*e.0.code), (400, "query"));
        assert!(
            Query::<Fix>::from_request_parts(&mut parts("/x"), &())
                .await
                .unwrap_err()
                .0
                .detail
                .contains("lat")
        );
    }
}
