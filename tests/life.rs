//! The whole life of a verification against a real API server and the simulator: each story with what can go wrong in it.

mod attempts;
