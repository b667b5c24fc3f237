namespace PsMigrate.Engine.Convergence;

/// <summary>Which of the three figures of each point of a curve.</summary>
enum CurveBound
{
    Mean,
    Least,
    Most,
}
