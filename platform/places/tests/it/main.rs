//! Tests of the public interface of the places, with the data that ships.

mod mvt_reader;
mod tiles;
