//! Makes a data set with fewer feature columns.

use std::collections::HashSet;
use std::sync::Arc;

use crate::content::{content, content_of_past};
use crate::dataset::{Dataset, hashed};
use crate::learned::LearnedRows;

impl Dataset {
    /// The same rows without the named features, as if the option `drop` named them. Names of other columns are ignored.
    ///
    /// The warnings of the checks do not change.
    #[must_use]
    pub fn without(&self, names: &[String]) -> Self {
        let mut narrow = self.clone();
        let gone: HashSet<&String> = names.iter().collect();
        let stays = |name: &String| !gone.contains(name);
        (narrow.features.columns).retain(|column| stays(&column.name));
        if let Some(past) = &mut narrow.features.past {
            past.table = Arc::new(past.table.only(|column| stays(&column.name)));
        }
        narrow.summary.past = content_of_past(&narrow.features);
        (narrow.summary.features).retain(|feature| stays(&feature.name));
        narrow.summary.ranges.retain(|name, _| stays(name));
        let learn = self.split.train_valid();
        narrow.summary.learned =
            LearnedRows::of(&hashed(&narrow.features), &self.targets.values[0], &learn);
        let numbers = self.targets.values.iter().chain([&self.weight]);
        narrow.summary.content = content(
            &narrow.features,
            &numbers.collect::<Vec<_>>(),
            self.given.as_ref(),
            &self.split,
        );
        narrow
    }
}

#[cfg(test)]
mod tests {
    use crate::{DataOptions, Dataset, simulate};

    #[test]
    fn without_agrees_with_the_option_drop() {
        let mut options = DataOptions::for_target(simulate::THERMISTOR_TARGET);
        let of = |options: &DataOptions| {
            Dataset::from_table(simulate::thermistor(200, 7), options, None, 0).unwrap()
        };
        let whole = of(&options);
        let gone = vec![whole.features.columns[1].name.clone()];
        options.drop.clone_from(&gone);
        let (narrow, dropped) = (whole.without(&gone), of(&options));
        assert_eq!(narrow.summary.features, dropped.summary.features);
        assert_eq!(narrow.summary.content, dropped.summary.content);
        assert_eq!(narrow.summary.ranges, dropped.summary.ranges);
        assert_eq!(narrow.summary.learned, dropped.summary.learned);
        assert_ne!(narrow.summary.content, whole.summary.content);
        assert_eq!(
            narrow.features.columns.len() + 1,
            whole.features.columns.len()
        );
    }
}
