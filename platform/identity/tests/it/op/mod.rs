//! The OpenID Provider: every flow, and every attack beside the honest request that succeeds.

mod acting;
mod attacks;
mod flows;
mod holder;
mod machines;
mod published;
mod rs256;
mod sessions;
mod statements;
mod world;
