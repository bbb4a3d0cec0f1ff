"""Draw how sure a model is: python analysis/uncertainty_maps.py checkpoint=RUN video=FILE."""

import sys

from siammae.report.uncertainty_maps import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
