//! Tables whose rows form series, and what was made of them.

use std::fmt::Write as _;

use limbeck_data::{ReadOptions, Table, Values};

use super::{Outcome, Place};

/// Hourly rows of machines in order of time: a load that follows the rain of the hours before, and a drift that differs by machine.
pub fn rows(machines: usize, hours: usize) -> String {
    let mut text = "machine,hour,rain,load\n".to_owned();
    for hour in 0..hours {
        for machine in 0..machines {
            let rain = |hour: usize| ((hour * hour + 3 * machine) % 23) as f64;
            let past: f64 = (1..4).map(|back| rain(hour.saturating_sub(back))).sum();
            let load = 50.0 * machine as f64 + 0.3 * hour as f64 + past / 3.0;
            let (day, hour) = (1 + hour / 24, hour % 24);
            let _ = writeln!(
                text,
                "m{machine},2024-01-{day:02} {hour:02}:00,{},{load:.3}",
                rain((day - 1) * 24 + hour)
            );
        }
    }
    text
}

/// A folder with the table `machines.csv` and the recipe `quick.toml`.
pub fn place(table: impl AsRef<[u8]>, recipe: &str) -> Place {
    let place = Place::empty();
    place.file("machines.csv", table);
    place.file("quick.toml", recipe);
    place
}

/// Distills the load of the machines in such a folder; `more` has further arguments, separated by spaces.
pub fn distill(place: &Place, more: &str) -> Outcome {
    let args =
        "distill machines.csv --target load --recipe quick.toml --series machine --time hour";
    let args: Vec<&str> = args.split(' ').chain(more.split(' ')).collect();
    place.limbeck(&args)
}

/// The numbers of a column.
pub fn column(place: &Place, file: &str, name: &str) -> Vec<f64> {
    let table = Table::read(place.path(file), &ReadOptions::default()).unwrap();
    match &table.column(name).unwrap().values {
        Values::Number(values) => values.clone(),
        _ => panic!("{name} has no numbers"),
    }
}

pub fn report(place: &Place, run: &str) -> serde_json::Value {
    serde_json::from_str(&place.text(&format!("{run}/report.json"))).unwrap()
}
