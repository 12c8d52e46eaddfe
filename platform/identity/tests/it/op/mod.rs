//! The OpenID Provider: every flow, and every attack beside the honest request that succeeds.

mod attacks;
mod flows;
mod machines;
mod sessions;
mod statements;
mod world;
