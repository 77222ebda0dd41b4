"""Studies, one folder a question: settings, one run, one analysis, and the rows they produced."""
