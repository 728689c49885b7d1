//! Fits boosted trees to a simulated sensor, and predicts rows that they have not seen.
#![allow(clippy::print_stdout, reason = "an example talks")]

use limbeck_data::{DataOptions, Dataset, metrics, simulate};
use limbeck_teach::trees::{self, TreeOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = DataOptions::for_target(simulate::THERMISTOR_TARGET);
    let data = Dataset::from_table(simulate::thermistor(1000, 7), &options, None, 0)?;
    let (learn, test) = (data.split.train_valid(), &data.split.test);
    let forest = trees::fit(
        &data.features.select(&learn),
        &data.target_of(&learn),
        &data.weight_of(&learn),
        &TreeOptions::fast(),
        0,
        1,
    )?;
    let predicted = forest.predict(&data.features.select(test))?;
    let (truth, weight) = (data.target_of(test), data.weight_of(test));
    let rmse = metrics::rmse(&predicted, &truth, &weight);
    println!("RMSE {rmse:.3} on {} test rows", test.len());
    Ok(())
}
