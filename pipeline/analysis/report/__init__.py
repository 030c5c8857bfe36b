"""A study's report: one HTML file that opens offline, and pictures for MLflow's page."""

from pipeline.analysis.report.content import ReportContent
from pipeline.analysis.report.page import render_page
from pipeline.analysis.report.pictures import draw_pictures

__all__ = ["ReportContent", "draw_pictures", "render_page"]
