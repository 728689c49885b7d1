//! limbeck
