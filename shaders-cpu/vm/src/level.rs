//! Which instruction set runs the kernels. All give the same bits; they differ in speed only.

/// An instruction set this build has kernels for.
#[derive(Clone, Copy, Debug)]
pub struct Level(pub(crate) fearless_simd::Level);

impl Level {
    /// The best one this machine has.
    #[must_use]
    pub fn best() -> Self {
        Self::all().next().unwrap_or_else(|| Self(fearless_simd::Level::baseline()))
    }

    /// Every one this machine can run, the best first. On the desktop the last is one lane at a time: the
    /// reference the others are compared with.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(feature = "std")]
        let found = fearless_simd::Level::new();
        #[cfg(not(feature = "std"))]
        let found = fearless_simd::Level::baseline();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let levels = [
            found.as_avx512().map(fearless_simd::Level::Avx512),
            found.as_avx2().map(fearless_simd::Level::Avx2),
            found.as_sse4_2().map(fearless_simd::Level::Sse4_2),
            Some(fearless_simd::Level::fallback()),
        ];
        #[cfg(target_arch = "wasm32")]
        let levels = [Some(found)];
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "wasm32")))]
        let levels = [Some(found), Some(fearless_simd::Level::fallback())];
        levels.into_iter().flatten().map(Self)
    }

    /// The name used in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Avx512(_) => "avx512",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Avx2(_) => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Sse4_2(_) => "sse4.2",
            #[cfg(target_arch = "aarch64")]
            fearless_simd::Level::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            fearless_simd::Level::WasmSimd128(_) => "simd128",
            _ => "scalar",
        }
    }
}

/// Runs `$body` with `$simd` bound to the token of `$level`. Levels without kernels of their own run as scalar.
macro_rules! with_level {
    ($level:expr, $simd:ident => $body:expr) => {
        match $level.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Avx512($simd) => $body,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Avx2($simd) => $body,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Sse4_2($simd) => $body,
            #[cfg(target_arch = "aarch64")]
            fearless_simd::Level::Neon($simd) => $body,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            fearless_simd::Level::WasmSimd128($simd) => $body,
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            fearless_simd::Level::Fallback($simd) => $body,
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            _ => {
                let fearless_simd::Level::Fallback($simd) = fearless_simd::Level::fallback() else {
                    unreachable!("the scalar level is compiled in")
                };
                $body
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            _ => unreachable!("a build with simd128 has no other level"),
        }
    };
}
pub(crate) use with_level;
