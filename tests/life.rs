//! Lives that are not the shortest: what people do between the start and the verdict, against the real binary.

mod capture;
mod link;
