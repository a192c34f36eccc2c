"""The story of Obhut on one machine, with real programs: two hubs, houses, a patient, a relative."""
