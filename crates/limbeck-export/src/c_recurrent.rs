//! The part of the C code that remembers a series for a recurrent student: fields of the struct with the state, and the steps of the layers.
//!
//! The graph becomes a function of its own, `network`, which takes an encoded row and the states of all layers. A carried state is a field of the
//! struct. For a rolling memory, the struct has the last encoded rows in a ring, and each prediction runs the network over them from state 0.

use std::fmt::Write as _;

use limbeck_runtime::{Cell, Memory, Student};

use crate::names::Names;

/// What the C code of a recurrent student keeps between rows.
pub(crate) struct Remembered {
    memory: Memory,
    /// Width of an encoded row.
    width: usize,
    /// Number of f32 in the states of all layers.
    states: usize,
    /// The array in the struct: the states, or the ring of rows.
    array: String,
    /// Number of rows in the ring; used only with a rolling memory.
    count: String,
    /// Index of the oldest row in the ring; used only with a rolling memory.
    oldest: String,
}

impl Remembered {
    /// `None` if the student is not recurrent. `fields` makes the names in the struct.
    pub(crate) fn of(student: &Student, fields: &mut Names) -> Option<Self> {
        Some(Self {
            memory: student.memory?,
            width: student.plan().input_width(),
            states: student.plan().state_width(),
            array: fields.of("memory"),
            count: fields.of("count"),
            oldest: fields.of("oldest"),
        })
    }

    /// Number of bytes in the struct.
    pub(crate) fn bytes(&self) -> usize {
        match self.memory {
            Memory::Carried => 4 * self.states,
            Memory::Rolling(rows) => 4 * rows as usize * self.width + 8,
        }
    }

    /// The fields of the struct.
    pub(crate) fn fields(&self) -> String {
        let (array, width) = (&self.array, self.width);
        match self.memory {
            Memory::Carried => format!(
                "    float {array}[{}]; /* states of the network */\n",
                self.states
            ),
            Memory::Rolling(rows) => format!(
                "    float {array}[{}]; /* the last {rows} encoded rows */\n    int32_t {};\n    int32_t {};\n",
                rows as usize * width,
                self.count,
                self.oldest
            ),
        }
    }

    /// The statements that forget all rows.
    pub(crate) fn reset(&self) -> String {
        match self.memory {
            Memory::Carried => format!(
                "    for (i = 0; i < {}; i++) state->{}[i] = 0.0f;\n",
                self.states, self.array
            ),
            Memory::Rolling(_) => format!(
                "    state->{} = 0;\n    state->{} = 0;\n",
                self.count, self.oldest
            ),
        }
    }

    /// True if [`reset`](Self::reset) has a loop over `i`.
    pub(crate) fn resets_in_a_loop(&self) -> bool {
        matches!(self.memory, Memory::Carried)
    }

    /// The array of states that [`call`](Self::call) needs beside the struct: its number of floats, 0 if none.
    pub(crate) fn local(&self) -> usize {
        match self.memory {
            Memory::Carried => 0,
            Memory::Rolling(_) => self.states,
        }
    }

    /// The statements that add the encoded row `x` and write the network's outputs into `z`.
    pub(crate) fn call(&self) -> String {
        let Self {
            width,
            states,
            array,
            count,
            oldest,
            ..
        } = self;
        let Memory::Rolling(rows) = self.memory else {
            return format!("    network(x, state->{array}, 1, z);\n");
        };
        let mut text = format!(
            "    k = (state->{oldest} + state->{count}) % {rows};\n    for (i = 0; i < {width}; i++) state->{array}[k * {width} + i] = x[i];\n"
        );
        let _ = write!(
            text,
            "    if (state->{count} < {rows}) state->{count}++;\n    else state->{oldest} = (state->{oldest} + 1) % {rows};\n    \
             for (i = 0; i < {states}; i++) memory[i] = 0.0f;\n    for (k = 0; k < state->{count}; k++)\n        \
             network(state->{array} + (state->{oldest} + k) % {rows} * {width}, memory, k + 1 == state->{count}, z);\n"
        );
        text
    }
}

/// The function of the network around the statements of its nodes. `result` is the buffer with the last node's value, of `outputs` numbers. `reads_input` is true if
/// the statements read the row.
pub(crate) fn network(
    (buffers, code): (&str, &str),
    reads_input: bool,
    (result, outputs): (&str, usize),
) -> String {
    let mut casts = String::new();
    let has_layer = code.contains("memory");
    for (name, is_used) in [
        ("x", reads_input),
        ("memory", has_layer),
        ("is_last", has_layer),
    ] {
        if !is_used {
            let _ = writeln!(casts, "    (void){name};");
        }
    }
    format!(
        "/* Runs the network for the next encoded row; memory holds the states of its layers. Writes the outputs, if the row is the last. */\n\
         static void network(const float *x, float *memory, int32_t is_last, float *z)\n{{\n{buffers}    int32_t i;\n{casts}\n{code}    \
         for (i = 0; i < {outputs}; i++) z[i] = {result}[i];\n}}\n"
    )
}

/// Helper of all cells.
pub(crate) const GATES: &str = "static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Adds the product of x and the first columns of a matrix to out. */
static void add_product(const float *x, int32_t rows, const float *weight, int32_t width, int32_t columns, float *out)
{
    int32_t i, j;
    for (i = 0; i < rows; i++) for (j = 0; j < columns; j++) out[j] += x[i] * weight[i * width + j];
}
";

/// The C function of a cell's step; its formula is that of [`Recurrent`](limbeck_runtime::Recurrent).
pub(crate) fn function(cell: Cell) -> &'static str {
    match cell {
        Cell::Gru => GRU,
        Cell::Lstm => LSTM,
    }
}

const GRU: &str = "/* One step of a GRU with the state h. */
static void gru(const float *x, int32_t inputs, const float *weight, const float *recurrent, const float *bias, float *gates, float *h, int32_t units)
{
    int32_t j;
    for (j = 0; j < 4 * units; j++) gates[j] = bias[j];
    add_product(x, inputs, weight, 3 * units, 3 * units, gates);
    add_product(h, units, recurrent, 3 * units, 2 * units, gates);
    add_product(h, units, recurrent + 2 * units, 3 * units, units, gates + 3 * units);
    for (j = 0; j < units; j++) {
        float r = sigmoid(gates[j]), z = sigmoid(gates[units + j]);
        float n = tanhf(gates[2 * units + j] + r * gates[3 * units + j]);
        h[j] = (1.0f - z) * n + z * h[j];
    }
}
";

const LSTM: &str = "/* One step of an LSTM with the states h, then c. */
static void lstm(const float *x, int32_t inputs, const float *weight, const float *recurrent, const float *bias, float *gates, float *h, int32_t units)
{
    int32_t j;
    float *c = h + units;
    for (j = 0; j < 4 * units; j++) gates[j] = bias[j];
    add_product(x, inputs, weight, 4 * units, 4 * units, gates);
    add_product(h, units, recurrent, 4 * units, 4 * units, gates);
    for (j = 0; j < units; j++) {
        c[j] = sigmoid(gates[units + j]) * c[j] + sigmoid(gates[j]) * tanhf(gates[2 * units + j]);
        h[j] = sigmoid(gates[3 * units + j]) * tanhf(c[j]);
    }
}
";
