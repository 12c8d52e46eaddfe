//! The attribute `#[kenroku_store::test]`.
//!
//! What it is: the smallest procedural macro that lets one test body run on both database engines. What it is
//! not: a parser; it looks only for the function's name, so it needs no syntax library and compiles at once.

use proc_macro::{TokenStream, TokenTree};

/// Runs an `async fn name(db: Db)` on SQLite and on PostgreSQL and compares what both engines answered.
///
/// `#[kenroku_store::test(MIGRATIONS)]` migrates the fresh database first; the argument is any expression of type
/// `&[ModuleMigrations]`. `#[kenroku_store::test(MIGRATIONS, concurrent)]` leaves the comparison out, for
/// bodies whose statements interleave differently on every run.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut args: Vec<TokenTree> = args.into_iter().collect();
    let concurrent = matches!(args.last(), Some(TokenTree::Ident(i)) if i.to_string() == "concurrent");
    if concurrent {
        args.pop();
        if matches!(args.last(), Some(TokenTree::Punct(p)) if p.as_char() == ',') {
            args.pop();
        }
    }
    let migrations = if args.is_empty() {
        "&[]".to_owned()
    } else {
        args.into_iter().collect::<TokenStream>().to_string()
    };

    let mut name = None;
    let mut after_fn = false;
    for t in item.clone() {
        if let TokenTree::Ident(i) = &t {
            if after_fn {
                name = Some(i.to_string());
                break;
            }
            after_fn = i.to_string() == "fn";
        }
    }
    let Some(name) = name else {
        return "compile_error!(\"#[kenroku_store::test] belongs on `async fn name(db: Db)`\");"
            .parse()
            .unwrap_or_default();
    };
    let wrapper = format!(
        "#[test] fn {name}() {{ {item}\n ::kenroku_store::testing::both(concat!(module_path!(), \"::{name}\"), \
         {migrations}, {concurrent}, |db| ::std::boxed::Box::pin({name}(db))) }}"
    );
    wrapper.parse().unwrap_or_else(|_| {
        "compile_error!(\"#[kenroku_store::test] could not wrap this function\");".parse().unwrap_or_default()
    })
}
