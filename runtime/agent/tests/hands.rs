//! Assignments over the ends of the program that works on them, against a broker that does what a test tells it to.

mod hands {
    mod broker;
    mod left;
}
