//! The store on a real file: durability, generations, checksums, strangers.
