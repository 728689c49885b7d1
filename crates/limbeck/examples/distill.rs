//! A complete run in ten lines: reads a table, trains a student and tests it.
//!
//! Without arguments it uses a simulated thermistor; with `TABLE TARGET`, a table of yours.

use limbeck::{Recipe, Silent, distill};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("limbeck-example-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut recipe = if let [table, target] = &arguments[..] {
        Recipe::for_table(table, target)
    } else {
        limbeck_data::simulate::thermistor(400, 1).write_csv(folder.join("thermistor.csv"))?;
        Recipe::for_table(
            folder.join("thermistor.csv"),
            limbeck_data::simulate::THERMISTOR_TARGET,
        )
    };
    recipe.student.params = 1000;
    recipe.student.steps = 500;
    recipe.repeats = 1;
    let run = distill(&recipe.check()?, folder.join("run"), &Silent)?;
    #[expect(clippy::print_stdout, reason = "an example talks")]
    {
        println!(
            "{}\n{}",
            run.report().proof.verdict.sentence,
            run.path().display()
        );
    }
    Ok(())
}
