// Style sheets are gathered into app.css.
declare module "*.css";
