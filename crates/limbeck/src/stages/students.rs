//! Both students: chosen on validation rows, fitted again on all training rows.

use limbeck_data::{Dataset, Features};
use limbeck_distill::hints::HintKind;
use limbeck_distill::search::{
    self, Choice, KnownRows, Plan, Refitted, Search, Stage, TransferSet, Trial,
};

use super::judge::Judge;
use super::store::{LabelStore, OtherSplit};
use crate::error::Result;
use crate::recipe::Recipe;
use crate::session::{Event, Session};

/// What students of one data set are made of.
pub(crate) struct Students<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) data: &'a Dataset,
    pub(crate) labels: &'a LabelStore,
    pub(crate) session: &'a Session<'a>,
}

/// Both students of a data set.
pub(crate) struct Trained<'t> {
    pub(crate) search: &'t Search<'t>,
    pub(crate) choice: &'t Choice,
    /// The trials that were chosen.
    pub(crate) alone: &'t Trial,
    pub(crate) distilled: &'t Trial,
    /// Inputs of the rows that trials learned from.
    pub(crate) train: &'t Features,
    /// What was fitted again, by seed, and on what.
    pub(crate) stage: &'t Stage<'t>,
    pub(crate) refits: &'t [Refitted],
    pub(crate) files: Files<'t>,
    pub(crate) judge: &'t Judge<'t>,
    pub(crate) interrupted_in_search: bool,
}

/// The refit of each side that a file holds.
pub(crate) struct Files<'t> {
    pub(crate) alone: &'t Trial,
    pub(crate) distilled: &'t Trial,
    /// Their positions among the repeats, in that order.
    pub(crate) repeats: [usize; 2],
}

impl<'t> Files<'t> {
    fn choose(stage: &Stage<'_>, refits: &'t [Refitted], features: &Features) -> Result<Self> {
        let of = |side: fn(&Refitted) -> &Trial| {
            search::typical(
                stage,
                &refits.iter().map(side).collect::<Vec<_>>(),
                features,
            )
        };
        let repeats = [of(|pair| &pair.alone)?, of(|pair| &pair.distilled)?];
        Ok(Self {
            alone: &refits[repeats[0]].alone,
            distilled: &refits[repeats[1]].distilled,
            repeats,
        })
    }
}

/// What is the same for all trials on a data set.
pub(crate) fn plan<'a>(
    recipe: &'a Recipe,
    data: &'a Dataset,
    session: &'a Session<'_>,
) -> Plan<'a> {
    Plan {
        student: &recipe.student,
        objective: &recipe.objective,
        hints: &recipe.hints,
        slope_reach: recipe.transfer.slope_reach,
        target: data.spec(),
        seed: recipe.seed,
        kept: session.kept(),
    }
}

/// What trials on one split of the rows learn from and are validated on.
type Rows = (TransferSet, KnownRows);

impl Students<'_> {
    fn rows(&self, data: &Dataset, labels: &LabelStore) -> Rows {
        let set = labels.for_search(data, self.recipe.transfer.perturb_weight);
        (set, labels.known(data, &data.split.valid))
    }

    /// Trains both students, and hands them to `then`. What it returns comes back with all trials.
    ///
    /// # Errors
    ///
    /// Where a training fails; [`Error::Interrupted`](crate::Error::Interrupted) where a stop leaves a side without a trial.
    pub(crate) fn train<T>(
        &self,
        others: &[OtherSplit<'_>],
        then: impl FnOnce(&Trained<'_>) -> Result<T>,
    ) -> Result<(T, Choice, Vec<Refitted>)> {
        let (recipe, data, session) = (self.recipe, self.data, self.session);
        let plan = plan(recipe, data, session);
        let watch = session.watch();
        let test = self.labels.known(data, &data.split.test);
        let looks_inside = recipe.hints.kind != HintKind::None || recipe.transfer.slope_rows > 0;
        let judge = Judge::new(&recipe.objective, looks_inside, data, test);
        let rows: Vec<Rows> = session.time("search", || {
            std::iter::once(self.rows(data, self.labels))
                .chain(
                    others
                        .iter()
                        .map(|other| self.rows(&other.data, &other.store)),
                )
                .collect()
        });
        let search = session.time("search", || -> Result<Search<'_>> {
            let stages = rows
                .iter()
                .map(|(set, valid)| Stage::new(&plan, set, Some(valid)));
            Ok(Search::new(stages.collect::<Result<_, _>>()?))
        })?;
        session.begin("search on validation rows");
        session.tell(&Event::Steps(search::search_steps(
            &recipe.student,
            rows.len(),
        )));
        let choice = session.time("search", || search::choose(&search, &watch))?;
        let (alone, distilled) = choice.best()?;

        let interrupted_in_search = session.is_stopped();
        let set = session.time("refit", || {
            self.labels.for_refit(data, recipe.transfer.perturb_weight)
        });
        let refit_stage;
        let (stage, refits) = if interrupted_in_search {
            let refitted = Refitted {
                alone: alone.clone(),
                distilled: distilled.clone(),
            };
            (search.first(), vec![refitted])
        } else {
            refit_stage = session.time("refit", || Stage::new(&plan, &set, None))?;
            session.begin("refit on all training rows");
            let refits = self.refit(&refit_stage, alone, distilled, &judge)?;
            (&refit_stage, refits)
        };
        let compared = if set.new.features.rows > 0 {
            &set.new.features
        } else {
            &set.known.features
        };
        let files = Files::choose(stage, &refits, compared)?;
        let made = then(&Trained {
            search: &search,
            choice: &choice,
            alone,
            distilled,
            train: &rows[0].0.known.features,
            stage,
            refits: &refits,
            files,
            judge: &judge,
            interrupted_in_search,
        })?;
        Ok((made, choice, refits))
    }

    /// Both students on all training rows, with as many seeds as the proof needs.
    fn refit(
        &self,
        stage: &Stage<'_>,
        alone: &Trial,
        distilled: &Trial,
        judge: &Judge<'_>,
    ) -> Result<Vec<Refitted>> {
        let (recipe, session) = (self.recipe, self.session);
        let watch = session.watch();
        let fit = |seeds: &[u64]| -> Result<Vec<Refitted>> {
            session.tell(&Event::Steps(seeds.len() * (alone.stop + distilled.stop)));
            let (a, d) = (
                (alone.setting, alone.stop),
                (distilled.setting, distilled.stop),
            );
            Ok(session.time("refit", || search::refit(stage, a, d, seeds, &watch))?)
        };
        let seeds = |repeats: std::ops::Range<usize>| -> Vec<u64> {
            repeats.map(|repeat| recipe.seed + repeat as u64).collect()
        };
        let mut refits = fit(&seeds(0..recipe.repeats))?;
        let more = recipe.repeats..recipe.max_repeats;
        if !more.is_empty() && !session.is_stopped() && judge.needs_seeds(stage, &refits)? {
            refits.extend(fit(&seeds(more))?);
        }
        Ok(refits)
    }
}
