//! The simulated world: devices, carriers, faults.
