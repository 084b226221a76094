//! `benchdog doctor`: what works here and what does not, each with what to do.
