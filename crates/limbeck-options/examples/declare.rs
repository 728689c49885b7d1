//! Options are declared once; their defaults, ranges and rules follow.
#![allow(clippy::print_stdout, missing_docs, reason = "an example prints")]

use limbeck_options::Options;

limbeck_options::options! {
    /// How a model is fitted.
    pub struct FitOptions in "fit", "Fit" {
        /// Passes over the rows.
        passes: usize = 10 => [within(1.0, 100.0), flag("passes", "N")];
        /// Share of rows that each pass sees.
        share: f64 = 1.0 => [above(0.0), up_to(1.0)];
    }
}

fn main() {
    for option in FitOptions::SECTION.options {
        println!("{}: {}", FitOptions::SECTION.key(option), option.doc);
    }
    let options = FitOptions {
        share: 2.0,
        ..FitOptions::default()
    };
    if let Err(refused) = options.validate() {
        println!("refused: {refused}");
    }
}
