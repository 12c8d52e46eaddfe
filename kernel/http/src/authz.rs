//! Where the door of `kenroku-access` meets this crate: the app holds it, and `Authz` declares a gate.

use kenroku_access::{Access, AccessState, Authz, Permission, Refusal, Visitor};

use crate::{App, Gate, Guard};

impl AccessState for App {
    fn access(&self) -> Result<Access, Refusal> {
        Ok(App::access(self).clone())
    }
}

impl<P: Permission, R> Guard for Authz<P, R> {
    fn gate() -> Gate {
        Gate::Needs(P::META.id)
    }
}

/// Everybody may come; the handler sees who it is.
impl Guard for Visitor {
    fn gate() -> Gate {
        Gate::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_access::kernel::ViewMatrix;

    use crate::Routes;

    async fn matrix(_: Authz<ViewMatrix>) {}
    async fn page(_: Visitor) {}

    #[test]
    fn a_handler_declares_what_it_needs() {
        assert_eq!(<Authz<ViewMatrix> as Guard>::gate(), Gate::Needs("access.view-matrix"));
        assert_eq!(<Visitor as Guard>::gate(), Gate::Public);
        let _ = Routes::new().get("/matrix", matrix).get("/page", page);
    }
}
