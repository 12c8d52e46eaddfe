//! The OpenAPI document of everything that the modules offer, assembled from their operations.

use std::collections::BTreeMap;

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, RefOr, Schema};

use crate::routes::{Documented, OpInfo};
use crate::{Gate, Op, Routes};

/// Assembles the document. Every operation carries `x-permission`: the permission it needs, or `public`.
pub fn assemble(routes: &Routes, version: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::new();
    for op in routes.ops() {
        let Some(doc) = op.doc() else { continue };
        let info = op.info();
        paths.add_path_operation(&info.path, vec![method(&info)], operation(doc, &info));
        components.schemas.extend(doc.schemas.iter().cloned());
    }
    components.security_schemes.insert(
        "key".to_owned(),
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An API or device key: `Authorization: Bearer …`"))
                .build(),
        )
        .into(),
    );
    components.security_schemes.insert(
        "session".to_owned(),
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-kr_session",
            "The session of somebody who signed in with a browser",
        )))
        .into(),
    );
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title("Kenroku")
        .version(version)
        .description(Some(
            "The JSON APIs of this installation. Errors are RFC 9457 problem documents with a stable `code`; \
             lists page by cursor; POSTs accept `Idempotency-Key`; times are RFC 3339.",
        ))
        .license(Some(license))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

/// Schemas that share a name and differ, one sentence each. Names are global in the document: the second would
/// silently take the place of the first.
pub fn clashes<'a>(ops: impl IntoIterator<Item = &'a Op>) -> Vec<String> {
    let mut known: BTreeMap<&str, (&RefOr<Schema>, &Op)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for op in ops {
        for (name, schema) in op.doc().into_iter().flat_map(|d| &d.schemas) {
            let (first, owner) = known.entry(name).or_insert((schema, op));
            if *first != schema {
                let (a, b) = (owner.info(), op.info());
                wrong.push(format!(
                    "the schema “{name}” of {} {} is another one than that of {} {}; begin the struct's name with the module's",
                    b.method, b.path, a.method, a.path
                ));
            }
        }
    }
    wrong
}

/// The document as JSON, indented so that a change reads well in a diff, with a final newline.
pub fn to_json(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn operation(doc: &Documented, info: &OpInfo) -> utoipa::openapi::path::Operation {
    let mut operation = doc.operation.clone();
    if !doc.tags.is_empty() {
        operation.tags.get_or_insert_default().extend(doc.tags.iter().cloned());
    }
    if operation.security.is_none()
        && let Gate::Needs(_) = info.gate
    {
        let none: [&str; 0] = [];
        operation.security =
            Some(["key", "session"].map(|scheme| SecurityRequirement::new(scheme, none)).to_vec());
    }
    let permission = ExtensionsBuilder::new().add("x-permission", info.gate.to_string()).build();
    operation.extensions.get_or_insert_default().merge(permission);
    operation
}

fn method(info: &OpInfo) -> HttpMethod {
    match info.method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        "PATCH" => HttpMethod::Patch,
        "HEAD" => HttpMethod::Head,
        "OPTIONS" => HttpMethod::Options,
        "TRACE" => HttpMethod::Trace,
        _ => HttpMethod::Get,
    }
}
