//! Trains both students: chooses their settings on validation rows, and fits them again on training and validation rows.

use limbeck_data::checkpoint::NO_CHECKPOINTS;
use limbeck_data::{Dataset, Features, MeasureKind, TargetSpec};
use limbeck_distill::hints::{HintKind, HintOptions};
use limbeck_distill::objective::ObjectiveOptions;
use limbeck_distill::search::{
    self, Choice, KnownRows, Refitted, Search, Stage, Study, TransferSet, Trial,
};
use limbeck_distill::student::StudentOptions;
use limbeck_distill::transfer::TransferOptions;

use super::calibrate::{Calibration, CalibrationOptions};
use super::judge::Judge;
use super::store::{LabelStore, OtherSplit};
use crate::error::Result;
use crate::format::Format;
use crate::session::{Event, Session};

/// The options of a recipe for students and their training.
#[derive(Clone, Copy)]
pub(crate) struct StudyOptions<'a> {
    pub(crate) student: &'a StudentOptions,
    pub(crate) objective: &'a ObjectiveOptions,
    pub(crate) hints: &'a HintOptions,
    /// Options of the new rows; some of them, such as the weight of perturbed rows, also apply to training.
    pub(crate) transfer: &'a TransferOptions,
    /// Weights of the target columns in the loss; empty for equal weights.
    pub(crate) target_weights: &'a [f64],
    /// Weights of the horizons in the loss; empty for equal weights.
    pub(crate) horizon_weights: &'a [f64],
    /// Number of rows before each row that a recurrent student reads.
    pub(crate) rows_before: usize,
    pub(crate) seed: u64,
}

impl<'a> StudyOptions<'a> {
    /// The options that all trainings of the students share.
    pub(crate) fn study(self, targets: &'a [TargetSpec], session: &'a Session<'_>) -> Study<'a> {
        Study {
            student: self.student,
            objective: self.objective,
            hints: self.hints,
            slope_reach: self.transfer.slope_reach,
            targets,
            target_weights: self.target_weights,
            horizon_weights: self.horizon_weights,
            rows_before: self.rows_before,
            seed: self.seed,
            checkpoints: session.checkpoints(),
            stop: session.stop(),
        }
    }

    /// The options of students that are trained without a teacher, on the first target. They store no checkpoints.
    pub(crate) fn untaught(self, data: &'a Dataset, session: &'a Session<'_>) -> Study<'a> {
        Study {
            checkpoints: &NO_CHECKPOINTS,
            target_weights: &[],
            horizon_weights: &[],
            ..self.study(&data.targets.specs[..1], session)
        }
    }
}

/// The options of a recipe for refits, tests and exports of the students.
#[derive(Clone, Copy)]
pub(crate) struct ProofOptions<'a> {
    /// Numbers of seeds with which both students are refitted: first the number that is always trained, then the maximum, which is trained if the
    /// difference between the students varies much over seeds.
    pub(crate) repeats: (usize, usize),
    /// Smallest gain that is worth having, as a share of the error without a teacher.
    pub(crate) worth: f64,
    /// Measures besides RMSE, MAE and R².
    pub(crate) measures: &'a [MeasureKind],
    /// Formats to which the shipped student is exported.
    pub(crate) formats: &'a [Format],
    /// True if the teacher is a model file or the teacher of another run (option `teacher.model`).
    pub(crate) is_imported: bool,
    /// Prediction intervals.
    pub(crate) calibration: CalibrationOptions<'a>,
}

/// What is needed to train the students.
pub(crate) struct Students<'a> {
    pub(crate) options: StudyOptions<'a>,
    pub(crate) proof: ProofOptions<'a>,
    /// Notes on what a time limit changed.
    pub(crate) notes: &'a [String],
    /// The targets of the students: one, or several that one network predicts.
    pub(crate) targets: &'a [TargetSpec],
    /// Data and labels of each target, on the same rows.
    pub(crate) known: Vec<Known<'a>>,
    pub(crate) session: &'a Session<'a>,
}

/// Data and labels of one target.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) data: &'a Dataset,
    pub(crate) labels: &'a LabelStore,
    /// Additional splits of the rows, with labels. Trials are also validated on them.
    pub(crate) others: &'a [OtherSplit<'a>],
    /// How prediction intervals are calibrated.
    pub(crate) calibration: &'a Calibration,
}

/// The trained students.
pub(crate) struct Trained<'t> {
    pub(crate) search: &'t Search<'t>,
    pub(crate) choice: &'t Choice,
    /// The trial of the baseline that the search chose.
    pub(crate) baseline: &'t Trial,
    /// The trial of the distilled student that the search chose.
    pub(crate) distilled: &'t Trial,
    /// `rows[split][target]`: the rows of the search. Split 0 is the split of the data set.
    pub(crate) rows: &'t [Vec<SearchRows>],
    /// For each target, the transfer set of the refits: the rows that they learn from.
    pub(crate) sets: &'t [TransferSet],
    /// The rows and the design of the networks with which `refits` were trained: those of the refit or, if no refit was finished, those of the
    /// search.
    pub(crate) stage: &'t Stage<'t>,
    pub(crate) refits: &'t [Refitted],
    pub(crate) files: Files<'t>,
    /// Tests the students on the test rows: one judge for each target.
    pub(crate) judges: &'t [Judge<'t>],
    /// What was left out because of a stop or the time limit; `None` if nothing was.
    pub(crate) cut: Option<Cut>,
}

/// What was left out because of a stop or the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All refits were left out, and possibly a part of the search. The students are the best ones that the search found so far.
    Search,
    /// All refits were left out. The students are those of the search.
    AllRefits,
    /// Some of the refits were left out. There are results of fewer seeds.
    Refits,
}

impl Trained<'_> {
    /// Inputs of the training rows of the data set.
    pub(crate) fn train(&self) -> &Features {
        &self.rows[0][0].0.known.features
    }

    /// True if the distilled student is shipped, because it is at least as good on validation rows.
    pub(crate) fn distilled_ships(&self) -> bool {
        self.distilled.valid_error <= self.baseline.valid_error
    }
}

/// For each student, the refit (one of several seeds) that is written to its file, chosen by [`search::typical`].
pub(crate) struct Files<'t> {
    pub(crate) baseline: &'t Trial,
    pub(crate) distilled: &'t Trial,
    /// Indices of these two refits in [`Trained::refits`]: of the baseline, then of the distilled student.
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
        let repeats = [of(|pair| &pair.baseline)?, of(|pair| &pair.distilled)?];
        Ok(Self {
            baseline: &refits[repeats[0]].baseline,
            distilled: &refits[repeats[1]].distilled,
            repeats,
        })
    }
}

/// The given rows of the data set as a transfer set, without a teacher's labels and without new rows.
pub(crate) fn untaught_rows(data: &Dataset, rows: Vec<usize>) -> TransferSet {
    let none = vec![f64::NAN; rows.len()];
    TransferSet::plain(KnownRows {
        features: data.features.rows(&rows),
        target: data.learned_of(&rows),
        weight: data.weight_of(&rows),
        blocks: None,
        teacher: none.clone(),
        std: none,
        rows,
    })
}

/// True if a refit was not ended early: it took as many steps as its trial, or its student is not a network.
fn is_whole(refit: &Trial, trial: &Trial) -> bool {
    refit.setting.spec.is_some() || refit.stop == trial.stop
}

/// The rows of one split: what trials learn from, and what they are validated on.
pub(crate) type SearchRows = (TransferSet, KnownRows);

impl Students<'_> {
    /// `rows[split][target]`: the rows of the search.
    fn rows(&self) -> Vec<Vec<SearchRows>> {
        let rows = |data: &Dataset, labels: &LabelStore| -> SearchRows {
            let set = labels.for_search(data, self.options.transfer.perturb_weight);
            (set, labels.known(data, &data.split.valid))
        };
        let first = self.known.iter().map(|one| rows(one.data, one.labels));
        let other = |at: usize| -> Vec<SearchRows> {
            let of = |one: &Known<'_>| rows(&one.others[at].data, &one.others[at].store);
            self.known.iter().map(of).collect()
        };
        std::iter::once(first.collect())
            .chain((0..self.known[0].others.len()).map(other))
            .collect()
    }

    /// Trains both students and passes them to `then`. Returns the result of `then`, the trials of the search, and the refits.
    ///
    /// # Errors
    ///
    /// If a training fails; [`Error::Interrupted`](crate::Error::Interrupted) if a stop leaves a student without a trial.
    pub(crate) fn train<T>(
        &self,
        then: impl FnOnce(&Trained<'_>) -> Result<T>,
    ) -> Result<(T, Choice, Vec<Refitted>)> {
        let (options, session) = (self.options, self.session);
        let study = options.study(self.targets, session);
        let watch = session.watch();
        let judges = self.judges();
        let rows = session.time("search", || self.rows());
        let search = session.time("search", || -> Result<Search<'_>> {
            let stages = rows.iter().map(|targets| {
                let both = targets.iter().map(|(set, valid)| (set, Some(valid)));
                Stage::joint(&study, both.collect())
            });
            Ok(Search::new(stages.collect::<Result<_, _>>()?))
        })?;
        session.begin("search on validation rows");
        session.tell(&Event::Steps(search::search_steps(
            options.student,
            rows.len(),
        )));
        let choice = session.time("search", || search::choose(&search, &watch))?;
        let (baseline, distilled) = choice.best()?;

        let mut cut = session.is_over().then_some(Cut::Search);
        let as_found = || Refitted {
            baseline: baseline.clone(),
            distilled: distilled.clone(),
        };
        let sets: Vec<TransferSet> = session.time("refit", || {
            let weight = options.transfer.perturb_weight;
            let all = self.known.iter();
            all.map(|one| one.labels.for_refit(one.data, weight))
                .collect()
        });
        let refit_stage;
        let (stage, refits) = if cut.is_some() {
            (search.first(), vec![as_found()])
        } else {
            let both = sets.iter().map(|set| (set, None)).collect();
            refit_stage = session.time("refit", || Stage::joint(&study, both))?;
            session.begin("refit on training and validation rows");
            let mut refits = self.refit(&refit_stage, baseline, distilled, &judges)?;
            // A refit that was ended early is worse than the student of the search: it is dropped.
            let whole = |pair: &&Refitted| {
                is_whole(&pair.baseline, baseline) && is_whole(&pair.distilled, distilled)
            };
            let count = refits.iter().take_while(whole).count();
            if count < refits.len() {
                cut = Some(if count == 0 {
                    Cut::AllRefits
                } else {
                    Cut::Refits
                });
            }
            refits.truncate(count);
            match refits.is_empty() {
                true => (search.first(), vec![as_found()]),
                false => (&refit_stage, refits),
            }
        };
        let compared = match &sets[0] {
            set if set.new.features.rows > 0 => &set.new.features,
            set => &set.known.features,
        };
        let files = Files::choose(stage, &refits, compared)?;
        let made = then(&Trained {
            search: &search,
            choice: &choice,
            baseline,
            distilled,
            rows: &rows,
            sets: &sets,
            stage,
            refits: &refits,
            files,
            judges: &judges,
            cut,
        })?;
        Ok((made, choice, refits))
    }

    fn judges(&self) -> Vec<Judge<'_>> {
        let options = self.options;
        let looks_inside = options.hints.kind != HintKind::None || options.transfer.slope_rows > 0;
        let judge = |(at, one): (usize, &Known<'_>)| {
            let test = one.labels.known(one.data, &one.data.split.test);
            Judge::new(options.objective, looks_inside, one.data, test, at)
        };
        self.known.iter().enumerate().map(judge).collect()
    }

    /// Fits both students again on training and validation rows, with as many seeds as the tests of significance need.
    fn refit(
        &self,
        stage: &Stage<'_>,
        baseline: &Trial,
        distilled: &Trial,
        judges: &[Judge<'_>],
    ) -> Result<Vec<Refitted>> {
        let (seed, session) = (self.options.seed, self.session);
        let (repeats, most) = self.proof.repeats;
        let watch = session.watch();
        let fit = |seeds: &[u64]| -> Result<Vec<Refitted>> {
            session.tell(&Event::Steps(
                seeds.len() * (baseline.stop + distilled.stop),
            ));
            let (a, d) = (
                (baseline.setting, baseline.stop),
                (distilled.setting, distilled.stop),
            );
            Ok(session.time("refit", || search::refit(stage, a, d, seeds, &watch))?)
        };
        let seeds = |repeats: std::ops::Range<usize>| -> Vec<u64> {
            repeats.map(|repeat| seed + repeat as u64).collect()
        };
        let mut refits = fit(&seeds(0..repeats))?;
        let more = repeats..most;
        if more.is_empty() || session.is_over() {
            return Ok(refits);
        }
        let needs = judges.iter().map(|judge| judge.needs_seeds(stage, &refits));
        if needs.collect::<Result<Vec<bool>>>()?.contains(&true) {
            refits.extend(fit(&seeds(more))?);
        }
        Ok(refits)
    }
}
