//! limbeck-teach
