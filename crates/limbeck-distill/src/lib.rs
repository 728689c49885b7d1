//! limbeck-distill
