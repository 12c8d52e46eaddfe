use askama::Template;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kenroku_types::Problem;
use kenroku_ui::{Emergency, Html, Link, Page, Phrase, Shell, Texts, mount};
use tower::ServiceExt;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "kr/base.html" %}{% import "kr/parts.html" as kr %}{% block main %}<div class="kr-wrap"><h1>{{ page.title }}</h1>{% call kr::field(page, "f-q", page.t("ui-sign-in"), "q", value = q, error = "<i>") %}{% endcall %}</div>{% endblock %}"#
)]
struct Simple {
    page: Page,
    q: &'static str,
}

async fn simple(page: Page) -> Html<Simple> {
    let notice = Emergency {
        title: Phrase::text("<大雪>"),
        text: Phrase::default(),
        link: Some(Link::new("x", "/bosai?a=1&b=2")),
        issued: Phrase::default(),
    };
    let page = page.title("雪みち").crumb("能美市", "/").emergency(Some(notice));
    Html(Simple { page, q: "\"><script>" })
}

async fn refuse() -> Response {
    let problem = Problem::not_found().detail("no segment 7");
    let body = serde_json::to_string(&problem).unwrap();
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

fn app() -> Router {
    let router = Router::new()
        .route("/simple", get(simple))
        .route("/refuse", get(refuse))
        .route("/api/refuse", get(refuse));
    let shell = Shell::new(Texts::new(&[]).unwrap()).simulated(true).sign_in("/sign-in");
    mount(router.merge(kenroku_ui::assets::routes()).merge(kenroku_ui::design::routes()), shell)
}

pub async fn ask(uri: &str, headers: &[(&str, &str)]) -> (Response<()>, String) {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_page_speaks_one_language_and_offers_the_others() {
    let (head, body) = ask("/simple?area=17211", &[("accept-language", "en")]).await;
    assert!(body.starts_with("<!doctype html>\n<html lang=\"en\">"), "{body}");
    assert_eq!(head.headers()[header::CONTENT_LANGUAGE], "en");
    assert!(body.contains("href=\"/simple?area=17211&#38;lang=ja-x-yasashii\""), "{body}");
    assert!(body.contains("Everything shown here is simulated data."));
    assert!(head.headers().get(header::SET_COOKIE).is_none(), "only a choice is remembered");
}

#[tokio::test]
async fn a_chosen_language_is_remembered() {
    let (head, body) = ask("/simple?lang=ja-x-yasashii", &[]).await;
    let cookie = head.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("kr-lang=ja-x-yasashii; Path=/;"));
    assert!(body.contains("<ruby>"));
    let (_, again) = ask("/simple", &[("cookie", &cookie)]).await;
    assert!(again.contains("<html lang=\"ja-x-yasashii\">"));
}

#[tokio::test]
async fn nothing_from_outside_becomes_markup_and_nothing_is_inline() {
    let (_, body) = ask("/simple", &[]).await;
    assert!(body.contains("&lt;大雪&gt;") && !body.contains("<script>"));
    assert!(body.contains("aria-invalid=\"true\" aria-describedby=\"f-q-error\""), "{body}");
    assert!(!body.contains(" style=") && !body.contains(" onclick="));
}

#[tokio::test]
async fn a_problem_becomes_a_page_for_people_only() {
    let browser = ("accept", "text/html,application/xhtml+xml;q=0.9");
    let (head, body) = ask("/refuse?lang=ja", &[browser]).await;
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    assert!(body.contains("ページが見つかりません") && body.contains("no segment 7"), "{body}");
    let (head, body) = ask("/refuse", &[("accept", "application/json")]).await;
    assert_eq!(head.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert!(body.starts_with('{'));
    let (head, _) = ask("/api/refuse", &[browser]).await;
    assert_eq!(head.headers()[header::CONTENT_TYPE], "application/problem+json");
}
