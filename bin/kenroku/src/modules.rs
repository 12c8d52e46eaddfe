//! The list: what this binary is made of. A new service is one line here.

use kenroku_module::Module;

/// The kernel and every module, in the order in which they start.
pub fn modules() -> Vec<Module> {
    let mut all = kenroku_module::kernel();
    all.extend([
        kenroku_places::module(),
        kenroku_roads::module(),
        kenroku_privacy::module(),
        kenroku_consent::module(),
        kenroku_identity::module(),
        kenroku_scim::module(),
        kenroku_staff::module(),
        kenroku_broker::module(),
        kenroku_snow::module(),
        kenroku_portal::module(),
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_http::{Routes, openapi};
    use kenroku_module::check;

    #[test]
    fn the_modules_fit_together() {
        assert_eq!(check(&modules()), Vec::<String>::new());
    }

    #[test]
    fn every_operation_is_listed_with_who_may_use_it() {
        let routes = modules().into_iter().fold(Routes::new(), |all, m| all.merge(m.routes));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authz-coverage.txt");
        crate::blessed::by_hand(path, &routes.coverage());
    }

    #[test]
    fn every_purpose_is_explained_to_everybody() {
        for m in modules() {
            for p in &m.vault.purposes {
                let found = m.vault.explanations.iter().any(|e| e.purpose.code == p.code);
                assert!(found, "{}: add an Explanation, it stands on /purposes in three languages", p.code);
            }
        }
    }

    #[test]
    fn the_openapi_document_is_the_published_one() {
        let routes = modules().into_iter().fold(Routes::new(), |all, m| all.merge(m.routes));
        let text = openapi::to_json(&openapi::assemble(&routes, env!("CARGO_PKG_VERSION")));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi/kenroku.json");
        crate::blessed::check(path, &text);
    }

    #[test]
    fn the_permission_matrix_is_the_reviewed_one() {
        let policies = crate::run::policies(&modules()).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permission-matrix.txt");
        crate::blessed::by_hand(path, &kenroku_access::Matrix::new(&policies).to_string());
    }
}
