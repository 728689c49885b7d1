//! A sweep of a recurrent network with working memory that was used before does not allocate.
#![allow(unsafe_code, reason = "the test needs an allocator that counts")]

use limbeck_nets::{Block, Network, Positions, RecurrentBuffers, RecurrentShape, Window};
use rand::SeedableRng;
use rand_pcg::Pcg64;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller upholds the contract of this method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of this method.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_second_step_does_not_allocate() {
    for cell in [limbeck_runtime::Cell::Gru, limbeck_runtime::Cell::Lstm] {
        // Several blocks, the last of which is smaller.
        let shape = RecurrentShape::new(cell, vec![true; 3], 6, vec![12, 5], 2).unwrap();
        let table: Vec<f32> = (0..450).map(|i| (i as f32 * 0.37).sin()).collect();
        let window = |last: u32| Window {
            first: last.saturating_sub(7),
            last,
        };
        let windows = (0..150).map(window).collect();
        let positions = Positions::windows(table, 3, windows).unwrap();
        let ids: Vec<u32> = (0..150).rev().collect();
        let params = shape.init(&mut Pcg64::seed_from_u64(1));
        let (mut rows, mut grad) = (Vec::new(), vec![0.0; params.len()]);
        let mut buffers = RecurrentBuffers::default();
        let mut step = || {
            positions.gather(&ids, &shape, &mut rows);
            let loss = |block: Block<'_>| {
                block.grad_pred.copy_from_slice(block.pred);
                block.grad_hidden.copy_from_slice(block.hidden);
                0.0
            };
            shape.sweep(&params, &rows, &mut grad, &mut buffers, true, loss);
            ALLOCATIONS.get()
        };
        let first = step();
        assert_eq!(step(), first);
    }
}
