"""The reference mesh: disputed invoices, worked by five agents through the console. README.md says how to run it."""
