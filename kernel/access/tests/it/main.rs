//! Access as a module and a handler meet it. (`cfg(test)` tells clippy that helpers here are test code too.)

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod door;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod second_step;
#[cfg(test)]
mod world;
