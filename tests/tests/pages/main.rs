//! The commands of the pages in `docs`, typed one after the other as they stand there.

mod flows;
mod mentioned;
mod operations;
mod page;
mod people;
mod playbooks;
mod registries;
mod runner;
mod screens;
mod shapes;
mod team;
mod tenants;
mod triggers;
mod workspace;
