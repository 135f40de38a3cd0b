"""Methods that hide parts of the scan and watch the answer: no gradient is needed."""
