//! A run in memory: the data, the student and its test results are in memory, and no file is read or written.

use limbeck::{Quality, Recipe, Session, Silent, fit};
use limbeck_data::{Dataset, simulate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut recipe = Recipe::preset(Quality::Fast);
    recipe.data.target = simulate::THERMISTOR_TARGET.into();
    recipe.student.params = 800;
    recipe.student.steps = 2000;

    let table = simulate::thermistor(1000, 7);
    let data = Dataset::from_table(table, &recipe.data, None, recipe.seed)?;
    let fitted = fit(&data, &recipe.check()?, &Session::new(&Silent))?;

    let report = fitted.report();
    let bytes = fitted.student().to_bytes()?;
    #[expect(clippy::print_stdout, reason = "an example talks")]
    {
        println!("{}", report.proof.verdict.sentence);
        println!(
            "test RMSE {:.3}, {} bytes",
            report.test.shipped.rmse,
            bytes.len()
        );
    }
    Ok(())
}
