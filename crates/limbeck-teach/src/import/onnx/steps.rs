//! Programs: steps that run one after the other, with limits on work and memory. Each value has a *slot*: the index of
//! its tensor in the list of all tensors of a run.
//!
//! A tensor is freed after the last step that reads it, unless it is a constant or must be kept. The work of a step is
//! estimated before it runs, so a small file cannot cause much work.

use std::sync::Arc;

use limbeck_data::figures::counted;

use super::super::fault::{Fault, Parsed};
use super::op::Op;
use super::tensor::Tensor;

/// Maximum number of values that the inputs and results of a run may have in memory at the same time. Constants do not
/// count.
pub(super) const MOST_AT_ONCE: usize = 1 << 23;
/// Number of operations that is counted for each step, in addition to the work for its values.
const STEP_WORK: u64 = 32;
/// Number of operations that is counted for each iteration of a `Scan`, in addition to the work of the steps in its
/// body.
const ROUND_WORK: u64 = 256;

/// What a step computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Op(Op),
    Scan(Box<Scan>),
}

/// An action, the slots that it reads (`None` for an optional input that is left out), and the slot that it writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) output: usize,
    /// True if the result is rounded to single precision.
    pub(super) single: bool,
}

/// Steps in the order of execution, and the slots that hold constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) constants: Vec<(usize, Arc<Tensor>)>,
    pub(super) slots: usize,
    /// For each step, the slots that are freed after it, because no later step reads them.
    ends: Vec<Vec<usize>>,
}

/// A limit on work, as a number of operations. `left` may still be done; `whole` is the limit itself, for messages.
pub(super) struct Budget {
    left: u64,
    whole: u64,
}

impl Budget {
    pub(super) fn new(work: u64) -> Self {
        Self {
            left: work,
            whole: work,
        }
    }

    pub(super) fn spend(&mut self, work: u64) -> Result<(), String> {
        match self.left.checked_sub(work) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!(
                "needs more than {} operations, the limit for a file of this size",
                self.whole
            )),
        }
    }
}

/// The result of a run.
pub(super) struct Outcome {
    /// The tensor of each slot; `None` if it was freed or never computed.
    pub(super) values: Vec<Option<Arc<Tensor>>>,
    /// For each slot, the shape of the input or result in it; `None` for constants.
    pub(super) shapes: Vec<Option<Vec<usize>>>,
    /// The largest number of values in memory at the same time, without constants.
    pub(super) peak: usize,
}

impl Program {
    pub(super) fn new(
        steps: Vec<Step>,
        constants: Vec<(usize, Arc<Tensor>)>,
        slots: usize,
    ) -> Self {
        let ends = vec![Vec::new(); steps.len()];
        Self {
            steps,
            constants,
            slots,
            ends,
        }
    }

    /// Sets which slots keep their tensors until the end of a run. Constants are always kept. Any other tensor is freed
    /// after the last step that reads it.
    pub(super) fn keeping(mut self, keep: impl IntoIterator<Item = usize>) -> Self {
        let mut is_over = vec![false; self.slots];
        let kept = self.constants.iter().map(|(slot, _)| *slot).chain(keep);
        kept.for_each(|slot| is_over[slot] = true);
        for (step, ends) in self.steps.iter().zip(&mut self.ends).rev() {
            ends.clear();
            for slot in step.inputs.iter().flatten().copied().chain([step.output]) {
                if !std::mem::replace(&mut is_over[slot], true) {
                    ends.push(slot);
                }
            }
        }
        self
    }

    /// Runs all steps. `feeds` are the inputs: each is a slot and its tensor. `rows` is only used in messages.
    pub(super) fn run(
        &self,
        feeds: Vec<(usize, Arc<Tensor>)>,
        rows: usize,
        budget: &mut Budget,
    ) -> Parsed<Outcome> {
        let mut values: Vec<Option<Arc<Tensor>>> = vec![None; self.slots];
        let mut shapes = vec![None; self.slots];
        let (mut alive, mut peak) = (0_usize, 0);
        for (slot, tensor) in &self.constants {
            values[*slot] = Some(Arc::clone(tensor));
        }
        for (slot, tensor) in feeds {
            alive += tensor.data.len();
            shapes[slot] = Some(tensor.shape.clone());
            values[slot] = Some(tensor);
        }
        for (step, ends) in self.steps.iter().zip(&self.ends) {
            let result = step.run(|slot| values[slot].as_deref(), rows, budget)?;
            alive = alive.saturating_add(result.data.len());
            if alive > MOST_AT_ONCE {
                return Err(too_much(
                    &step.name,
                    &format!(
                        "needs more than {MOST_AT_ONCE} values in memory for {}",
                        counted(rows, "row")
                    ),
                ));
            }
            peak = peak.max(alive);
            shapes[step.output] = Some(result.shape.clone());
            values[step.output] = Some(Arc::new(result));
            for &slot in ends {
                let gone = values[slot].take();
                alive = alive.saturating_sub(gone.map_or(0, |tensor| tensor.data.len()));
            }
        }
        Ok(Outcome {
            values,
            shapes,
            peak,
        })
    }
}

/// Error for a graph that needs too much work or memory.
pub(super) fn too_much(name: &str, found: &str) -> Fault {
    Fault::unsupported(
        format!("{name} {found}"),
        "give a smaller model, or predict with your own program through --teacher-command",
    )
}

impl Step {
    fn wrong(&self, found: impl Into<String>, expected: &str) -> Fault {
        Fault::malformed(self.name.clone(), found, expected)
    }

    /// Runs the step and returns its result. `value` returns the tensor of a slot. `rows` is only used in messages.
    pub(super) fn run<'a>(
        &self,
        value: impl Fn(usize) -> Option<&'a Tensor>,
        rows: usize,
        budget: &mut Budget,
    ) -> Parsed<Tensor> {
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for slot in self.inputs.iter().flatten() {
            inputs.push(value(*slot).ok_or_else(|| {
                self.wrong(
                    "an input that is neither an input of the graph nor the output of an earlier node",
                    "nodes in topological order",
                )
            })?);
        }
        let much = |found: String| too_much(&self.name, &found);
        let result = match &self.action {
            Action::Op(op) => {
                let work = op.work(&inputs).saturating_add(STEP_WORK);
                budget.spend(work).map_err(much)?;
                op.run(&inputs)
            }
            Action::Scan(scan) => scan.run(&inputs, rows, budget)?,
        };
        let Some(mut result) = result.filter(|result| !result.data.is_empty()) else {
            let shapes: Vec<&[usize]> = inputs.iter().map(|input| &*input.shape).collect();
            return Err(Fault::unsupported(
                format!(
                    "{} has inputs of the shapes {shapes:?} for {}; these shapes do not match, or the result is empty or too large",
                    self.name,
                    counted(rows, "row")
                ),
                "export the model with a dynamic first axis (any number of rows)",
            ));
        };
        budget.spend(result.data.len() as u64).map_err(much)?;
        if self.single {
            for value in &mut result.data {
                *value = f64::from(*value as f32);
            }
        }
        Ok(result)
    }
}

/// `Scan`: runs a body for each element along the first axis of some inputs. Exporters use it for kernels of Gaussian
/// processes.
///
/// Inputs, in this order: the initial states (`states` of them), the tensors to scan (`scanned` of them), and the
/// values of the outer graph that the body reads. In each iteration, the body returns the next states, and one element
/// for each of the other outputs. These elements are stacked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scan {
    pub(super) body: Program,
    /// For each input, the slot in the body that receives it.
    pub(super) inputs: Vec<usize>,
    pub(super) states: usize,
    pub(super) scanned: usize,
    /// For each output of the body, its slot in the body.
    pub(super) outputs: Vec<usize>,
    /// Index of the output to return: a final state if the index is below `states`, else stacked elements.
    pub(super) which: usize,
}

impl Scan {
    /// Number of iterations: the size of the first axis of each scanned input. `None` if these sizes differ or are 0,
    /// or if the number of inputs does not match the body.
    fn rounds(&self, inputs: &[&Tensor]) -> Option<usize> {
        let along = inputs.get(self.states..self.states.checked_add(self.scanned)?)?;
        let count = *along.first()?.shape.first()?;
        let same = along
            .iter()
            .all(|input| input.shape.first() == Some(&count));
        (count > 0 && same && inputs.len() == self.inputs.len()).then_some(count)
    }

    fn run(&self, inputs: &[&Tensor], rows: usize, budget: &mut Budget) -> Parsed<Option<Tensor>> {
        let Some(count) = self.rounds(inputs) else {
            return Ok(None);
        };
        let much = |found: String| too_much("a scan", &found);
        let copied: usize = inputs.iter().map(|input| input.data.len()).sum();
        budget.spend(copied as u64).map_err(much)?;
        let mut now: Vec<Arc<Tensor>> = inputs
            .iter()
            .map(|&input| Arc::new(input.clone()))
            .collect();
        let (mut stacked, mut shape) = (Vec::new(), Vec::new());
        for at in 0..count {
            budget
                .spend(ROUND_WORK.saturating_add(self.body.slots as u64))
                .map_err(much)?;
            for place in self.states..self.states + self.scanned {
                now[place] = Arc::new(element(inputs[place], at, count));
            }
            let feeds = self
                .inputs
                .iter()
                .copied()
                .zip(now.iter().cloned())
                .collect();
            let outcome = self.body.run(feeds, rows, budget)?;
            let output = |which: usize| outcome.values.get(*self.outputs.get(which)?)?.clone();
            for (state, place) in now.iter_mut().zip(0..self.states) {
                match output(place) {
                    Some(next) => *state = next,
                    None => return Ok(None),
                }
            }
            if self.which < self.states {
                continue;
            }
            let Some(part) = output(self.which).filter(|part| at == 0 || part.shape == shape)
            else {
                return Ok(None);
            };
            if stacked.len() + part.data.len() > MOST_AT_ONCE {
                return Ok(None);
            }
            stacked.extend_from_slice(&part.data);
            shape.clone_from(&part.shape);
        }
        Ok(Some(
            match now.get(self.which).filter(|_| self.which < self.states) {
                Some(state) => state.as_ref().clone(),
                None => Tensor {
                    shape: [&[count], &shape[..]].concat(),
                    data: stacked,
                },
            },
        ))
    }
}

/// Element number `at` along the first axis, which has size `count`; the result has one axis less.
fn element(tensor: &Tensor, at: usize, count: usize) -> Tensor {
    let size = tensor.data.len() / count;
    Tensor {
        shape: tensor.shape[1..].to_vec(),
        data: tensor.data[at * size..(at + 1) * size].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::op::Each;
    use super::*;

    /// A scan that returns its scanned elements; its body has so many slots.
    fn scan(slots: usize) -> Scan {
        let step = Step {
            name: "node".to_owned(),
            action: Action::Op(Op::Each(Each::Identity)),
            inputs: vec![Some(0)],
            output: 1,
            single: false,
        };
        Scan {
            body: Program::new(vec![step], Vec::new(), slots).keeping([1]),
            inputs: vec![0, 2],
            states: 0,
            scanned: 1,
            outputs: vec![1],
            which: 0,
        }
    }

    #[test]
    fn scans_pay_for_copied_inputs_and_for_slots() {
        let scanned = Tensor::list(vec![1.0, 2.0]);
        let run = |slots: usize, captured: usize| {
            let captured = Tensor::list(vec![0.0; captured]);
            let inputs = [&scanned, &captured];
            scan(slots).run(&inputs, 1, &mut Budget::new(10_000))
        };
        assert_eq!(run(3, 1).unwrap().unwrap(), scanned);
        assert!(run(3, 20_000).is_err() && run(20_000, 1).is_err());
    }
}
