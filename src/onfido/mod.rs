//! onfido
