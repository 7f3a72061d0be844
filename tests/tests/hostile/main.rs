//! A payload that a service outside has signed, or what a model says, can never become part of a command, a path out of
//! its roots, a template, or somebody else's data: hostile texts through every part of a flow.

mod desk;
mod hooks;
mod models;
mod names;
mod outcome;
mod parts;
mod service;
mod texts;
