//! One fitted model of a teacher: boosted trees, an ensemble of networks (perceptrons or LSTMs), a Gaussian process, or a linear model.

use limbeck_data::Features;
use limbeck_data::checkpoint::Checkpoints;
use limbeck_data::figures::counted;
use limbeck_runtime::{Container, Numbers};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::learner::Learner;
use crate::linear::Linear;
use crate::lstm::LstmOptions;
use crate::network::{self, Members, NetworkEnsemble, NetworkOptions};
use crate::process::{Process, ProcessPlan};
use crate::sample::Sample;
use crate::trees::{self, TreeOptions};
use crate::work::{Effort, Meter, Work};

/// Predictions of a model: the means, one per row, and the standard deviations, one per row (`None` if the model gives none).
pub(crate) type Predicted = (Vec<f64>, Option<Vec<f64>>);

/// A fitted model.
#[derive(Clone, Debug)]
pub(crate) enum Fit {
    /// Boosted trees.
    Trees(Forest),
    /// An ensemble of multilayer perceptrons or LSTMs.
    Network(NetworkEnsemble),
    /// A Gaussian process.
    Process(Process),
    /// A linear model.
    Linear(Linear),
}

/// The options of all later fits of the learners. [`FittedTeacher::fit_folds`](crate::FittedTeacher::fit_folds) chooses them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FoldChoices {
    /// Options of the trees.
    pub(crate) trees: TreeOptions,
    /// Options of the networks.
    #[serde(default)]
    pub(crate) network: NetworkOptions,
    /// Fraction of the networks' training schedule after which training stops.
    pub(crate) stop: f64,
    /// The LSTMs; `None` if the teacher has none.
    #[serde(default)]
    pub(crate) lstm: Option<LstmPlan>,
    /// The kernel of the Gaussian process and the transformation of its target; `None` if the teacher has no Gaussian process.
    #[serde(default)]
    pub(crate) process: Option<ProcessPlan>,
    /// The penalty of the linear model; `None` if the teacher has no linear model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) penalty: Option<f64>,
}

/// The options of all later fits of LSTMs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LstmPlan {
    pub(crate) options: LstmOptions,
    /// Fraction of the training schedule after which training stops.
    pub(crate) stop: f64,
    /// True if they read changes in place of levels, see [`Members`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) reads_changes: bool,
}

/// One fit that is to be made.
struct Job<'m> {
    learner: Learner,
    /// The last part of the name of the fit's checkpoint, after the name of the learner.
    name: String,
    seed: u64,
    meter: &'m Meter<'m>,
}

impl FoldChoices {
    /// Fits one model on the given rows of `sample`. All but Gaussian processes are saved in the checkpoints `work.kept`; if the model has a checkpoint
    /// already, it is read instead of fitted.
    ///
    /// # Errors
    ///
    /// The errors of the learner.
    fn fit(
        &self,
        sample: &Sample<'_>,
        rows: &[usize],
        job: &Job<'_>,
        work: Work<'_>,
    ) -> Result<Fit> {
        work.stop.check()?;
        let name = format!("{}-{}", job.learner.name(), job.name);
        match job.learner {
            Learner::Trees => kept_trees(work.kept, &name, || {
                let features = sample.features.select(rows);
                let round = || job.meter.add(1);
                trees::fit(
                    &features,
                    &sample.target_of(rows),
                    &sample.weight_of(rows),
                    &self.trees,
                    job.seed,
                    Effort::until(1, work.stop).telling(&round),
                )
            })
            .map(Fit::Trees),
            Learner::Network => NetworkEnsemble::fit_within(
                sample,
                rows,
                (&Members::from(&self.network), self.stop),
                job.seed,
                &name,
                (work, job.meter),
            )
            .map(Fit::Network),
            Learner::Lstm => {
                let plan = planned(self.lstm.as_ref(), "options for its LSTMs")?;
                let members = Members {
                    reads_changes: plan.reads_changes,
                    ..(&plan.options).into()
                };
                let (members, work) = ((&members, plan.stop), (work, job.meter));
                NetworkEnsemble::fit_within(sample, rows, members, job.seed, &name, work)
                    .map(Fit::Network)
            }
            // No checkpoint: a Gaussian process is fitted again in a second or two.
            Learner::Process => {
                let plan = planned(self.process.as_ref(), "kernel for its Gaussian process")?;
                Process::fit(sample, rows, plan, work.stop).map(Fit::Process)
            }
            Learner::Linear => {
                let penalty = planned(self.penalty.as_ref(), "penalty for its linear model")?;
                Linear::fit(sample, rows, *penalty, &name, work).map(Fit::Linear)
            }
        }
    }

    /// Amount of work of one fit of a learner, as a [`Meter`] counts it: boosting rounds for trees, points of the training curve for networks, 1 for
    /// a Gaussian process or a linear model.
    fn units(&self, learner: Learner) -> usize {
        match learner {
            Learner::Trees => self.trees.rounds,
            Learner::Network | Learner::Lstm => network::CURVE,
            Learner::Process | Learner::Linear => 1,
        }
    }

    /// Fits a learner once per fold, each time on the rows outside the fold.
    ///
    /// # Errors
    ///
    /// The errors of the learner.
    pub(crate) fn folds(
        &self,
        sample: &Sample<'_>,
        learner: Learner,
        seed: u64,
        work: Work<'_>,
    ) -> Result<Vec<Fit>> {
        let count = sample.folds.count();
        let name = format!("{}, {count} folds", learner.name());
        let meter = work.part(name, count * self.units(learner));
        let fit = |fold: u32| {
            let job = Job {
                learner,
                name: (fold + 1).to_string(),
                seed: seed + u64::from(fold),
                meter: &meter,
            };
            self.fit(sample, &sample.training_rows(fold), &job, work)
        };
        (0..count as u32).into_par_iter().map(fit).collect()
    }

    /// Fits a learner on all rows of a sample, `count` times with different seeds; a learner without a seed only once.
    ///
    /// # Errors
    ///
    /// The errors of the learner.
    pub(crate) fn fits(
        &self,
        sample: &Sample<'_>,
        learner: Learner,
        count: usize,
        name: &str,
        (seed, work): (u64, Work<'_>),
    ) -> Result<Vec<Fit>> {
        let count = match learner {
            // They have no seed.
            Learner::Process | Learner::Linear => 1,
            Learner::Trees | Learner::Network | Learner::Lstm => count,
        };
        let rows: Vec<usize> = (0..sample.target.len()).collect();
        let part = format!("{}, {} on all rows", learner.name(), counted(count, "fit"));
        let meter = work.part(part, count * self.units(learner));
        let fit = |at: usize| {
            let job = Job {
                learner,
                name: format!("{name}-{}", at + 1),
                seed: seed + at as u64,
                meter: &meter,
            };
            self.fit(sample, &rows, &job, work)
        };
        (0..count).into_par_iter().map(fit).collect()
    }
}

/// The plan of a learner; an error if a teacher with this learner has none.
fn planned<'p, T>(plan: Option<&'p T>, what: &str) -> Result<&'p T> {
    plan.ok_or_else(|| Error::MalformedTeacher {
        message: format!("it has no {what}"),
    })
}

/// Reads trees from their checkpoint, or fits and saves them if there is none.
fn kept_trees(
    kept: &Checkpoints,
    name: &str,
    fit: impl FnOnce() -> Result<Forest>,
) -> Result<Forest> {
    if let Some(known) = kept
        .load::<Vec<u8>>(name)
        .and_then(|bytes| Forest::from_bytes(&bytes).ok())
    {
        return Ok(known);
    }
    let forest = fit()?;
    kept.save(name, &forest.to_bytes()?)?;
    Ok(forest)
}

impl Fit {
    /// Predicts rows.
    ///
    /// # Errors
    ///
    /// An error if the columns are not the columns of the fit.
    pub(crate) fn predict(&self, features: &Features) -> Result<Predicted> {
        match self {
            Self::Trees(forest) => Ok((forest.predict(features)?, None)),
            Self::Network(network) => network
                .predict(features)
                .map(|(mean, std)| (mean, Some(std))),
            Self::Process(process) => Ok((process.predict(features)?, None)),
            Self::Linear(linear) => Ok((linear.predict(features)?, None)),
        }
    }

    /// Number of parameters: the fitted numbers that a prediction uses.
    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::Trees(forest) => forest.parameters(),
            Self::Network(network) => network.parameters(),
            Self::Process(process) => process.parameters(),
            Self::Linear(linear) => linear.parameters(),
        }
    }

    /// Adds the model to a container, under `name`.
    ///
    /// # Errors
    ///
    /// An error if a part cannot be written.
    pub(crate) fn store(&self, container: &mut Container, name: &str) -> Result<()> {
        match self {
            Self::Trees(forest) => {
                container.put_numbers(name, Numbers::U32(words(&forest.to_bytes()?)))
            }
            Self::Network(network) => network.store(container, name)?,
            Self::Process(process) => process.store(container, name)?,
            Self::Linear(linear) => linear.store(container, name)?,
        }
        Ok(())
    }

    /// Reads a model that [`store`](Self::store) has written.
    ///
    /// # Errors
    ///
    /// An error if a part is missing or damaged.
    pub(crate) fn restore(container: &Container, name: &str, learner: Learner) -> Result<Self> {
        match learner {
            Learner::Trees => match &container.tensor(name)?.numbers {
                Numbers::U32(words) => Forest::from_bytes(&bytes_of(words)).map(Self::Trees),
                _ => Err(Error::MalformedTeacher {
                    message: format!("`{name}` does not hold U32 numbers"),
                }),
            },
            Learner::Network | Learner::Lstm => {
                NetworkEnsemble::restore(container, name).map(Self::Network)
            }
            Learner::Process => Process::restore(container, name).map(Self::Process),
            Learner::Linear => Linear::restore(container, name).map(Self::Linear),
        }
    }
}

/// The number of bytes, followed by the bytes as little-endian 32-bit words.
fn words(bytes: &[u8]) -> Vec<u32> {
    let mut words = vec![bytes.len() as u32];
    words.extend(bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_le_bytes(word)
    }));
    words
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    let Some((&len, rest)) = words.split_first() else {
        return Vec::new();
    };
    let mut bytes: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(len as usize);
    bytes
}
