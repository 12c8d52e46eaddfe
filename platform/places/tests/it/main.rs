//! Tests of the public interface of the places, with the data that ships. (`cfg(test)` tells clippy that
//! helpers here are test code too.)

#[cfg(test)]
mod http;
#[cfg(test)]
mod mvt_reader;
#[cfg(test)]
mod tiles;
