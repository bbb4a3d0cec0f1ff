"""Records of runs to tables, figures, pages and dashboards: data frames in, files out."""
