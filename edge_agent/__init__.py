"""The field plane: one agent at a site, which drives its assets and reports to the headend over one outbound link."""
