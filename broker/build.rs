//! Has the broker built anew when the dashboard was: files that come or go are nothing the compiler notices.

fn main() {
    println!("cargo::rerun-if-changed=dashboard/dist");
}
