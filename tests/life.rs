//! The whole life of a verification, beyond the one that goes well at once: what people do between the start and the verdict, what else
//! they send, and what is lost and comes back. Against the real binary.

mod capture;
mod inputs;
mod link;
mod restore;
