"""What is asked: ablation files, profiles, the schema, metrics and references. No torch."""
