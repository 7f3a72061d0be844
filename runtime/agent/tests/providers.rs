//! The providers from outside: adapters against a server that replays streams, the scripted provider over whole
//! turns, and the shipped aspects' scripts over real files.

mod providers {
    mod agents;
    mod anthropic;
    mod api;
    mod command;
    mod contract;
    mod desk;
    mod failover;
    mod ollama;
    mod openai;
    mod stub;
}
