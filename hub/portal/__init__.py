"""The portal: pages in which the patient's browser opens and seals. The hub serves them and knows no more."""
